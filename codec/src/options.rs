//! What a user asks for, as one struct: bound, method, effort; its text grammar and its packed form, `cd_values`.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How far a decoded value may be from the original.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Bit for bit.
    Lossless,
    /// |x − x'| ≤ bound for every value.
    Absolute(f64),
    /// |x − x'| ≤ bound · (max − min) of what is compressed at once.
    Relative(f64),
    /// |x − x'| ≤ bound · |x| for every value.
    PointwiseRelative(f64),
    /// Root mean square error ≤ bound · (max − min) of what is compressed at once.
    Nrmse(f64),
    /// 20 log10((max − min) / rmse) ≥ bound, in decibel.
    Psnr(f64),
    /// [`Bound::Nrmse`] in every 8 × 8 patch ([`crate::Patches`]), relative to the same range.
    PatchNrmse(f64),
    /// [`Bound::Psnr`] in every 8 × 8 patch, relative to the same range.
    PatchPsnr(f64),
}

/// Which method writes the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MethodChoice {
    #[default]
    Auto,
    CaesarV,
    CaesarD,
    AeSz,
    SrnSz,
    Interpolation,
    Lossless,
}

/// How long the encoder may search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    #[default]
    Balanced,
    Fast,
    Best,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    pub bound: Bound,
    pub method: MethodChoice,
    pub effort: Effort,
    /// A value that is kept bit for bit wherever it occurs, besides those that are found.
    pub fill: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Options::new(Bound::Lossless)
    }
}

impl Options {
    pub fn new(bound: Bound) -> Self {
        Options { bound, method: MethodChoice::Auto, effort: Effort::Balanced, fill: None }
    }

    /// The same, if its bound is one and this version can encode so; doors call it before the first chunk, where an error still reaches the user.
    pub fn check(self) -> Result<Self> {
        Bound::from_mode(self.bound.mode(), self.bound.value())?;
        if self.method.is_available() {
            return Ok(self);
        }
        let known = METHODS.iter().filter(|(_, m)| m.is_available()).map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        invalid(format!("method \"{}\" is not in this version; it has: {known}", self.method.name()))
    }
}

// The words of the grammar in the order of their packed numbers.

/// Names of the modes of a bound; all but the first take a number.
pub const MODES: [&str; 8] = ["lossless", "abs", "rel", "pw_rel", "nrmse", "psnr", "patch_nrmse", "patch_psnr"];
const METHODS: [(&str, MethodChoice); 7] = [
    ("auto", MethodChoice::Auto),
    ("caesar-v", MethodChoice::CaesarV),
    ("caesar-d", MethodChoice::CaesarD),
    ("ae-sz", MethodChoice::AeSz),
    ("srn-sz", MethodChoice::SrnSz),
    ("interpolation", MethodChoice::Interpolation),
    ("lossless", MethodChoice::Lossless),
];
const EFFORTS: [(&str, Effort); 3] =
    [("balanced", Effort::Balanced), ("fast", Effort::Fast), ("best", Effort::Best)];

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidArgument(message))
}

fn by_name<T: Copy>(table: &[(&str, T)], word: &str, what: &str) -> Result<T> {
    let known = || table.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
    match table.iter().find(|(n, _)| *n == word) {
        Some(&(_, value)) => Ok(value),
        None => invalid(format!("unknown {what} \"{word}\"; known: {}", known())),
    }
}

fn by_number<T: Copy>(table: &[(&str, T)], number: u32, what: &str) -> Result<T> {
    match table.get(number as usize) {
        Some(&(_, value)) => Ok(value),
        None => invalid(format!("unknown {what} {number}; known: 0 to {}", table.len() - 1)),
    }
}

fn position<T: PartialEq>(table: &[(&str, T)], value: &T) -> usize {
    table.iter().position(|(_, v)| v == value).expect("every variant stands in its table")
}

impl MethodChoice {
    pub fn name(self) -> &'static str {
        METHODS[self.number() as usize].0
    }
    /// The number in cd_values and in streams.
    pub fn number(self) -> u32 {
        position(&METHODS, &self) as u32
    }
    pub fn from_number(number: u32) -> Result<Self> {
        by_number(&METHODS, number, "method")
    }
    /// Whether its tiles name a model.
    pub fn is_learned(self) -> bool {
        use MethodChoice::*;
        matches!(self, CaesarV | CaesarD | AeSz | SrnSz)
    }
    /// Whether this version has it.
    pub fn is_available(self) -> bool {
        use MethodChoice::*;
        !matches!(self, CaesarD | AeSz)
    }
}

impl Effort {
    pub fn name(self) -> &'static str {
        EFFORTS[self.number() as usize].0
    }
    pub fn number(self) -> u32 {
        position(&EFFORTS, &self) as u32
    }
    pub fn from_number(number: u32) -> Result<Self> {
        by_number(&EFFORTS, number, "effort")
    }
}

impl Bound {
    /// The mode's number in cd_values and in streams.
    pub fn mode(self) -> u32 {
        match self {
            Bound::Lossless => 0,
            Bound::Absolute(_) => 1,
            Bound::Relative(_) => 2,
            Bound::PointwiseRelative(_) => 3,
            Bound::Nrmse(_) => 4,
            Bound::Psnr(_) => 5,
            Bound::PatchNrmse(_) => 6,
            Bound::PatchPsnr(_) => 7,
        }
    }

    pub fn mode_name(self) -> &'static str {
        MODES[self.mode() as usize]
    }

    /// The bound's number; 0 for lossless.
    pub fn value(self) -> f64 {
        match self {
            Bound::Lossless => 0.0,
            Bound::Absolute(b)
            | Bound::Relative(b)
            | Bound::PointwiseRelative(b)
            | Bound::Nrmse(b)
            | Bound::Psnr(b)
            | Bound::PatchNrmse(b)
            | Bound::PatchPsnr(b) => b,
        }
    }

    /// The error that it allows, pointwise or as a root mean square, where values have this range; of `pw_rel` the fraction.
    pub fn error(self, range: f64) -> f64 {
        match self {
            Bound::Relative(fraction) | Bound::Nrmse(fraction) | Bound::PatchNrmse(fraction) => fraction * range,
            Bound::Psnr(decibel) | Bound::PatchPsnr(decibel) => 10f64.powf(-decibel / 20.0) * range,
            other => other.value(),
        }
    }

    /// A bound from its mode and number. A bound of 0 is allowed and means lossless in effect;
    /// negative, NaN and infinite ones are errors.
    pub fn from_mode(mode: u32, value: f64) -> Result<Self> {
        let Some(name) = MODES.get(mode as usize) else {
            let known = MODES.iter().enumerate().map(|(number, name)| format!("{number} {name}")).collect::<Vec<_>>().join(", ");
            return invalid(format!("unknown mode {mode}; known: {known}"));
        };
        if mode != 0 && !(value.is_finite() && value >= 0.0) {
            return invalid(format!("{name}={value} is not a bound: it must be finite and not negative"));
        }
        Ok(match mode {
            0 => Bound::Lossless,
            1 => Bound::Absolute(value),
            2 => Bound::Relative(value),
            3 => Bound::PointwiseRelative(value),
            4 => Bound::Nrmse(value),
            5 => Bound::Psnr(value),
            6 => Bound::PatchNrmse(value),
            _ => Bound::PatchPsnr(value),
        })
    }
}

/// `abs=1e-3`, `rel=1e-4,method=interpolation,effort=best`, `lossless`, or nothing at all (lossless).
/// Words are separated by commas or spaces; spaces around `=` are none.
impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut options = Options::default();
        let mut seen: Vec<(&str, &str)> = Vec::new();
        let text = text.split('=').map(str::trim).collect::<Vec<_>>().join("=");
        for word in text.split([',', ' ', ';']).map(str::trim).filter(|w| !w.is_empty()) {
            let (key, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
            let mode = MODES.iter().position(|m| *m == key);
            let what = if mode.is_some() { "bound" } else { key };
            if let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == what) {
                return invalid(format!("\"{word}\" is a second {what} after \"{first}\""));
            }
            seen.push((what, word));
            match (key, mode, value) {
                ("method", _, Some(v)) => options.method = by_name(&METHODS, v, "method")?,
                ("effort", _, Some(v)) => options.effort = by_name(&EFFORTS, v, "effort")?,
                ("fill", _, Some(v)) => options.fill = Some(number(v, word)?),
                (_, Some(mode), value) => {
                    options.bound = match (mode, value) {
                        (0, None) => Bound::Lossless,
                        (0, Some(_)) => return invalid(format!("\"{word}\": lossless takes no number")),
                        (_, None) => return invalid(format!("\"{word}\" needs a number: {key}=1e-3")),
                        (mode, Some(v)) => Bound::from_mode(mode as u32, number(v, word)?)?,
                    };
                }
                ("method" | "effort" | "fill", _, None) => return invalid(format!("\"{word}\" needs a value: {key}=…")),
                _ => {
                    return invalid(format!(
                        "unknown word \"{word}\"; known: {}, method, effort, fill",
                        MODES.join(", ")
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn number(text: &str, word: &str) -> Result<f64> {
    text.parse().or_else(|_| invalid(format!("\"{text}\" in \"{word}\" is not a number")))
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.bound {
            Bound::Lossless => f.write_str("lossless")?,
            Bound::Psnr(decibel) | Bound::PatchPsnr(decibel) => write!(f, "{}={decibel}", self.bound.mode_name())?,
            bound => write!(f, "{}={:e}", bound.mode_name(), bound.value())?,
        }
        if self.method != MethodChoice::Auto {
            write!(f, ",method={}", self.method.name())?;
        }
        if self.effort != Effort::Balanced {
            write!(f, ",effort={}", self.effort.name())?;
        }
        if let Some(fill) = self.fill {
            write!(f, ",fill={fill:?}")?;
        }
        Ok(())
    }
}

/// A double as two words, low word first: netCDF's rule.
pub fn words_of_f64(value: f64) -> [u32; 2] {
    let bits = value.to_bits();
    [bits as u32, (bits >> 32) as u32]
}

pub fn f64_of_words(low: u32, high: u32) -> f64 {
    f64::from_bits(u64::from(high) << 32 | u64::from(low))
}

impl Options {
    /// Options from cd_values as a user gives them (`docs/cd-values.md`).
    pub fn from_cd_values(words: &[u32]) -> Result<Self> {
        match *words {
            [] => Ok(Options::default()),
            [single] => Ok(Options::new(Bound::from_mode(1, f64::from(f32::from_bits(single)))?)),
            [low, high] => Ok(Options::new(Bound::from_mode(1, f64_of_words(low, high))?)),
            [mode, low, high, ref rest @ ..] => {
                let (method, effort, fill) = match *rest {
                    [] => (0, 0, None),
                    [method] => (method, 0, None),
                    [method, effort] => (method, effort, None),
                    [method, effort, low, high] => (method, effort, Some(f64_of_words(low, high))),
                    _ => {
                        return invalid(format!(
                            "{} cd_values; known are mode, bound (low word, high word), method, effort, fill value (low word, high word)",
                            words.len()
                        ));
                    }
                };
                Ok(Options {
                    bound: Bound::from_mode(mode, f64_of_words(low, high))?,
                    method: MethodChoice::from_number(method)?,
                    effort: Effort::from_number(effort)?,
                    fill,
                })
            }
        }
    }

    /// The words `mode, low, high, method, effort` that mean these options, and two more of a fill value.
    pub fn to_cd_values(&self) -> Vec<u32> {
        let [low, high] = words_of_f64(self.bound.value());
        let words = [self.bound.mode(), low, high, self.method.number(), self.effort.number()];
        words.into_iter().chain(self.fill.into_iter().flat_map(words_of_f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        for text in ["lossless", "abs=1e-3", "rel=2.5e-4,method=caesar-v", "psnr=80,effort=best", "patch_nrmse=1e-3", "patch_psnr=60.5", "pw_rel=1e-2,method=lossless,effort=fast", "abs=1e-3,fill=-999.0", "nrmse=1e-3,method=srn-sz,effort=best,fill=1e20"] {
            let options: Options = text.parse().unwrap();
            assert_eq!(options.to_string(), text);
            assert_eq!(Options::from_cd_values(&options.to_cd_values()).unwrap(), options);
        }
        assert_eq!("".parse::<Options>().unwrap(), Options::default());
        assert_eq!(" abs = 1 , effort =best".parse::<Options>().unwrap().to_string(), "abs=1e0,effort=best");
    }

    #[test]
    fn errors_name_the_word() {
        for (text, word) in [
            ("abs=one", "one"),
            ("abz=1", "abz"),
            ("abs", "abs"),
            ("abs=-1", "abs=-1"),
            ("abs=nan", "NaN"),
            ("abs=1,rel=2", "rel=2"),
            ("method=auto,method=srn-sz", "method=srn-sz"),
            ("effort=fast effort=fast", "second effort"),
            ("method=zfp", "zfp"),
            ("effort=most", "most"),
            ("lossless=1", "lossless=1"),
            ("abs=1,fill", "fill"),
            ("abs=1,fill=land", "land"),
        ] {
            let message = text.parse::<Options>().unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_no_bound_is_refused_before_it_is_used() {
        for bound in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Options::new(Bound::Absolute(bound)).check().is_err(), "{bound}");
        }
        assert!(Options::new(Bound::Absolute(0.0)).check().is_ok());
    }

    #[test]
    fn cd_values_as_the_hosts_give_them() {
        let [low, high] = words_of_f64(0.01);
        assert_eq!((low, high), (1202590843, 1065646817));
        assert_eq!(Options::from_cd_values(&[low, high]).unwrap().bound, Bound::Absolute(0.01));
        assert_eq!(Options::from_cd_values(&[0.01f32.to_bits()]).unwrap().bound, Bound::Absolute(f64::from(0.01f32)));
        assert_eq!(Options::from_cd_values(&[]).unwrap().bound, Bound::Lossless);
        assert!(Options::from_cd_values(&[9, 0, 0]).is_err());
        assert!(Options::from_cd_values(&[1, low, high, 7]).is_err());
        assert!(Options::from_cd_values(&[1, low, high, 0, 0, 0]).is_err());
    }
}
