//! AMX: eight registers of 16 rows of 64 bytes, and products of them. The system gives them to processes that ask.

/// Whether the processor has the instructions and the system, when asked, lets this process use their registers. From then on it wants
/// larger signal stacks of the process.
pub(crate) fn available() -> bool {
    has_instructions() && permitted()
}

fn has_instructions() -> bool {
    let (tile, int8) = (1 << 24, 1 << 25);
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    features & tile != 0 && features & int8 != 0
}

/// Linux saves the registers only for processes that ask.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and touches no memory of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Bytes of a row of a register.
pub const ROW: usize = 64;
/// Rows of a register.
pub const ROWS: usize = 16;

/// What `ldtilecfg` takes.
#[repr(C, align(64))]
pub struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight registers whole.
pub static WHOLE: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};
