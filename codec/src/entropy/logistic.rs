//! The logistic function and its inverse as integer tables, made at compile time from integers.
//!
//! A logit is ln(p / (1 − p)) in units of 12/2048, within ±[`LIMIT`].

use super::ONE;

/// Largest logit of the tables.
pub const LIMIT: i32 = 2047;
/// Largest probability they give: no decision costs more than 14 bits, nor less than 1/11000.
const CERTAIN: u32 = ONE - 4;

/// e^(−12/2048) as a fraction of 2^60.
const DECAY: u128 = 1_146_185_857_776_942_349;

/// Probabilities of the logits −2048..2048, in 1/65536.
static SQUASH: [u16; 4096] = {
    let mut table = [0; 4096];
    let mut power: u128 = 1 << 60; // e^(−x)
    let mut x = 0;
    while x < 2048 {
        let p = (1u128 << 76) / ((1 << 60) + power);
        let p = if p > CERTAIN as u128 { CERTAIN } else { p as u32 };
        table[2048 + x] = p as u16;
        table[2048 - x] = (ONE - p) as u16;
        power = power * DECAY >> 60;
        x += 1;
    }
    table[0] = (ONE - CERTAIN) as u16;
    table
};

/// Logits of the probabilities (i + 1/2) / 4096.
static STRETCH: [i16; 4096] = {
    let mut table = [0; 4096];
    let (mut i, mut x) = (0, 0);
    while i < 4096 {
        while x < 4095 && (SQUASH[x] as usize) < i * 16 + 8 {
            x += 1;
        }
        table[i] = x as i16 - 2048;
        i += 1;
    }
    table
};

/// The logit of a probability in 1/65536.
#[inline(always)]
pub fn stretch(p: u32) -> i32 {
    i32::from(STRETCH[(p >> 4) as usize & 4095])
}

/// The probability, in 1/65536, of a logit within ±`LIMIT`.
#[inline(always)]
pub fn squash(logit: i32) -> u32 {
    u32::from(SQUASH[(logit + 2048) as usize & 4095])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_functions() {
        for x in -2047..=2047 {
            let exact = (65536.0 / (1.0 + (-f64::from(x) * 12.0 / 2048.0).exp())).clamp(4.0, 65532.0);
            assert!((f64::from(squash(x)) - exact).abs() <= 1.5, "{x}: {} {exact}", squash(x));
            assert!((4..=65532).contains(&squash(x)));
        }
        for p in (8..65528).step_by(16) {
            let exact = (f64::from(p) / (65536.0 - f64::from(p))).ln() * 2048.0 / 12.0;
            assert!((f64::from(stretch(p)) - exact).abs() <= 25.0, "{p}: {} {exact}", stretch(p));
        }
    }
}
