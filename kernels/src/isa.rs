//! Instruction sets, and which of them this processor has.

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use std::arch::is_aarch64_feature_detected;
use std::fmt;
use std::sync::OnceLock;

/// Instructions to use. A value is a promise: it exists only for instructions that this processor has. Ordered by speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Set);

/// Sets of instructions for which there are kernels, the slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    Portable,
    Neon,
    NeonDot,
    Avx2,
    AvxVnni,
    Avx512Vnni,
    Amx,
}

impl Set {
    const ALL: [Set; 7] = [Set::Portable, Set::Neon, Set::NeonDot, Set::Avx2, Set::AvxVnni, Set::Avx512Vnni, Set::Amx];

    fn name(self) -> &'static str {
        match self {
            Set::Portable => "portable",
            Set::Neon => "neon",
            Set::NeonDot => "neon-dot",
            Set::Avx2 => "avx2",
            Set::AvxVnni => "avx-vnni",
            Set::Avx512Vnni => "avx512-vnni",
            Set::Amx => "amx",
        }
    }

    fn is_available(self) -> bool {
        match self {
            Set::Portable => true,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::Neon => is_aarch64_feature_detected!("neon"),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::NeonDot => is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => has_avx2(),
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => has_avx2() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => {
                has_avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Set::Amx => Set::Avx512Vnni.is_available() && crate::amx::available(),
            _ => false,
        }
    }
}

/// AVX2, and what every processor with it has besides.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

impl Isa {
    /// What every processor has.
    pub const PORTABLE: Isa = Isa(Set::Portable);

    /// A set, if this processor has it.
    pub fn of(set: Set) -> Option<Isa> {
        set.is_available().then_some(Isa(set))
    }

    /// All of this processor, the slowest first.
    pub fn available() -> Vec<Isa> {
        Set::ALL.into_iter().filter_map(Isa::of).collect()
    }

    /// The fastest of this processor, or no faster than the one that the environment variable `CAESAR_KERNELS` names
    /// (`portable`, `neon`, `neon-dot`, `avx2`, `avx-vnni`, `avx512-vnni`, `amx`) at the first call.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::chosen(std::env::var("CAESAR_KERNELS").ok().as_deref()))
    }

    /// Which it is.
    pub fn set(self) -> Set {
        self.0
    }

    fn chosen(name: Option<&str>) -> Isa {
        let named = name.and_then(|name| Set::ALL.into_iter().find(|set| set.name() == name));
        let limit = named.unwrap_or(Set::Amx);
        // None beyond the limit is looked for: to ask for AMX has a price.
        Set::ALL.into_iter().rev().filter(|set| *set <= limit).find_map(Isa::of).unwrap_or(Isa::PORTABLE)
    }
}

/// The name as `CAESAR_KERNELS` takes it.
impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_set_or_the_best_below_it() {
        let available = Isa::available();
        assert_eq!(available[0], Isa::PORTABLE);
        assert!(available.is_sorted());
        assert_eq!(Isa::chosen(None), *available.last().unwrap());
        assert_eq!(Isa::chosen(Some("abacus")), *available.last().unwrap());
        assert_eq!(Isa::chosen(Some("portable")), Isa::PORTABLE);
        for set in Set::ALL {
            let isa = Isa::chosen(Some(set.name()));
            assert!(isa.0 <= set && available.contains(&isa));
            assert_eq!(isa.0 == set, set.is_available());
        }
    }
}
