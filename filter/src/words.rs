//! The cd_values that lie in a file: the user's options and what a chunk is made of (`docs/cd-values.md`).

use caesar_codec::{ByteOrder, Element, Error, Kind, Layout, Options, Result};

/// High half of word 0; the low half is the version of the layout.
const MARK: u32 = 0x0CAE;
const VERSION: u32 = 1;
/// Words before the extents: mark and version, five of options, element and rank, element size.
const HEAD: usize = 8;
/// Extents that are stored; leading ones are multiplied together, so the words are never more than 16.
const MOST_EXTENTS: usize = 6;
/// Flag in word 6: the two words after the element size are the data set's fill value.
const FILL: u32 = 1 << 7;

/// What set-up records for the filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    pub options: Options,
    pub element: Element,
    /// Bit pattern of the fill value that the data set declares.
    pub fill: Option<u64>,
    /// Extents of a chunk, slowest first; empty: not known, the chunk is a line of elements.
    pub shape: Vec<u32>,
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidArgument(format!("cd_values of the file: {message}")))
}

/// Whether these are words of a file rather than of a user. No form of a user's has more than seven.
pub fn are_ours(words: &[u32]) -> bool {
    words.len() >= HEAD && words[0] >> 16 == MARK
}

/// The options in cd_values of either form.
pub fn options(words: &[u32]) -> Result<Options> {
    if !are_ours(words) {
        return Options::from_cd_values(words);
    }
    let Words { options, element, fill, .. } = Words::read(words)?;
    Ok(Options { fill: fill.and_then(|bits| element.number_of(bits)), ..options })
}

impl Words {
    /// `extents` of any rank, also more of them and larger ones than fit into the words.
    pub fn new(options: Options, element: Element, extents: &[u64]) -> Self {
        let folded = extents.len().saturating_sub(MOST_EXTENTS - 1).max(1);
        let shape = extents.split_at_checked(folded).and_then(|(lead, rest)| {
            let first = lead.iter().try_fold(1u64, |n, &extent| n.checked_mul(extent))?;
            std::iter::once(first).chain(rest.iter().copied()).map(|extent| u32::try_from(extent).ok()).collect()
        });
        let fill = options.fill.and_then(|fill| element.bits_of(fill));
        Words { options: Options { fill: None, ..options }, element, fill, shape: shape.unwrap_or_default() }
    }

    pub fn write(&self) -> Vec<u32> {
        let order = u32::from(self.element.order == ByteOrder::Big);
        let mut words = vec![MARK << 16 | VERSION];
        words.extend(self.options.to_cd_values());
        let fill = if self.fill.is_some() { FILL } else { 0 };
        words.push(u32::from(self.element.kind.number()) | fill | order << 8 | (self.shape.len() as u32) << 16);
        words.push(self.element.size as u32);
        words.extend(self.fill.iter().flat_map(|&bits| [bits as u32, (bits >> 32) as u32]));
        words.extend(&self.shape);
        words
    }

    /// Words of a file, which may hold anything.
    pub fn read(words: &[u32]) -> Result<Self> {
        let [mark, options @ .., element, size] = words.get(..HEAD).unwrap_or_default() else {
            return invalid(format!("{} words are too few", words.len()));
        };
        if *mark != MARK << 16 | VERSION {
            return Err(Error::Compatibility(format!("cd_values layout {mark:#x} was written by a newer version")));
        }
        let Some(&kind) = Kind::ALL.get((element & 0x7f) as usize) else {
            return invalid(format!("unknown element kind {} in word 6", element & 0x7f));
        };
        let order = match element >> 8 & 0xff {
            0 => ByteOrder::Little,
            1 => ByteOrder::Big,
            other => return invalid(format!("unknown byte order {other} in word 6")),
        };
        let (fill, shape) = match words[HEAD..] {
            [low, high, ref shape @ ..] if element & FILL != 0 => (Some(u64::from(high) << 32 | u64::from(low)), shape),
            _ if element & FILL != 0 => return invalid("no fill value where word 6 says one".into()),
            ref shape => (None, shape),
        };
        if shape.len() != (element >> 16) as usize || shape.len() > MOST_EXTENTS {
            return invalid(format!("{} extents where word 6 says {}", shape.len(), element >> 16));
        }
        if *size == 0 {
            return invalid("element size 0 in word 7".into());
        }
        let element = Element { kind, size: *size as usize, order };
        Ok(Words { options: Options::from_cd_values(options)?, element, fill, shape: shape.to_vec() })
    }

    /// The layout of a chunk of `bytes` bytes.
    ///
    /// # Errors
    /// `InvalidArgument` when these are words of another chunk: a program whose HDF5 is out of reach copies them from one data
    /// set to the next, and set-up cannot correct them.
    pub fn layout(&self, bytes: usize) -> Result<Layout> {
        let shape = match self.shape[..] {
            [] => vec![bytes / self.element.size],
            ref shape => shape.iter().map(|&extent| extent as usize).collect(),
        };
        let layout = Layout::new(self.element, shape);
        if layout.byte_len() != Ok(bytes) {
            return invalid(format!("elements of {} bytes, {:?} in a chunk, but this chunk has {bytes} bytes", self.element.size, layout.shape));
        }
        Ok(layout)
    }

    /// Bytes that a decoded chunk has, where the shape tells.
    pub fn chunk_bytes(&self) -> Option<usize> {
        let points = self.shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent as usize))?;
        points.checked_mul(self.element.size).filter(|_| !self.shape.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(extents: &[u64]) -> Words {
        let element = Element { kind: Kind::Float, size: 8, order: ByteOrder::Big };
        Words::new("rel=1e-3,method=caesar-v".parse().unwrap(), element, extents)
    }

    /// The vector that `docs/cd-values.md` prints.
    #[test]
    fn words_of_the_document() {
        let words = sample(&[8, 256, 256]).write();
        assert_eq!(words, [0x0CAE_0001, 2, 0xD2F1_A9FC, 0x3F50_624D, 1, 0, 0x0003_0100, 8, 8, 256, 256]);
        assert_eq!(Words::read(&words).unwrap(), sample(&[8, 256, 256]));
        let filled = Words { fill: Some((-999f64).to_bits()), ..sample(&[8, 256, 256]) };
        assert_eq!(filled.write(), [0x0CAE_0001, 2, 0xD2F1_A9FC, 0x3F50_624D, 1, 0, 0x0003_0180, 8, 0, 0xC08F_3800, 8, 256, 256]);
        assert_eq!(Words::read(&filled.write()).unwrap(), filled);
    }

    #[test]
    fn any_rank_fits_into_sixteen_words() {
        for rank in 1..=32 {
            let words = Words { fill: Some(7), ..sample(&vec![2; rank]) };
            assert!(words.write().len() <= 16);
            assert_eq!(words.chunk_bytes(), Some(8 << rank));
            assert_eq!(Words::read(&words.write()).unwrap(), words);
            assert!(words.layout(8 << rank).is_ok());
        }
    }

    #[test]
    fn extents_beyond_a_word_leave_the_shape_open() {
        for extents in [vec![], vec![1u64 << 32, 2], vec![1 << 20; 12], vec![2, 1 << 40]] {
            let words = sample(&extents);
            assert_eq!(words.chunk_bytes(), None);
            assert_eq!(words.layout(80).unwrap().shape, [10]);
            assert!(words.layout(81).is_err());
        }
    }

    #[test]
    fn a_users_fill_value_stays_when_a_file_is_packed_again() {
        for (size, bits) in [(4, u64::from((-99f32).to_bits())), (8, (-99f64).to_bits())] {
            let element = Element { kind: Kind::Float, size, order: ByteOrder::Little };
            let asked: Options = "abs=1,fill=-99".parse().unwrap();
            let words = Words::new(options(&asked.to_cd_values()).unwrap(), element, &[4, 5]);
            assert_eq!(words.fill, Some(bits));
            assert_eq!(options(&words.write()).unwrap(), asked);
        }
        assert_eq!(Words::new("abs=1,fill=-99".parse().unwrap(), Element { kind: Kind::Signed, ..Element::F32 }, &[4]).fill, None);
    }

    #[test]
    fn words_of_a_user_are_never_taken_for_ours() {
        for user in [&[][..], &[0x0CAE_0001], &[0x0CAE_0001, 0x0CAE_0001], &[1, 0x0CAE_0001, 0, 0, 0], &[0x0CAE_0001; 7]] {
            assert!(!are_ours(user));
        }
    }

    #[test]
    fn every_wrong_word_of_a_file_is_an_error() {
        let good = sample(&[4, 5]).write();
        for (index, value, name) in
            [(0, 0x0CAE_0002, "newer"), (1, 8, "mode 8"), (4, 99, "method 99"), (5, 3, "effort 3"), (6, 4, "kind 4"), (6, 0x0002_0180, "extents"), (6, 0x0002_0200, "order 2"), (6, 0x0003_0000, "extents"), (7, 0, "size 0")]
        {
            let mut words = good.clone();
            words[index] = value;
            let message = Words::read(&words).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        for length in 0..good.len() {
            assert!(Words::read(&good[..length]).is_err());
        }
    }
}
