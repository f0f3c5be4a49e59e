//! Interleaved range asymmetric numeral systems (rANS): symbols under tables that do not change meanwhile.
//!
//! Where the range coder adapts with every decision, here whole symbols are looked up, and several states take turns, so
//! that a processor works at them side by side. As with [`super::BitCoder`] one function serves both directions: the
//! [`Recorder`] notes the interval of each symbol and writes them all, last first, when it is finished; the [`Reader`]
//! reads them in order.

use crate::error::{Error, Result};

/// Bits of a probability.
const BITS: u32 = 16;
/// States are at least this between two symbols; they are refilled by 32 bits.
const LEAST: u64 = 1 << 32;
/// States that take turns; one where there is little to code.
const LANES: usize = 4;
/// The search for a position's symbol starts from its highest bits, all but so many.
const GUESS_SHIFT: u32 = BITS - 8;

/// Most symbols of a table: a symbol fits a byte.
pub const SYMBOLS: usize = 256;
/// Entries of the search's start that are written at once.
const FILL: usize = 32;

/// Intervals of `[0, 65536)`, one for each of up to 256 symbols.
#[derive(Clone)]
pub struct Table {
    /// Where each symbol's interval starts; the end for all others.
    starts: [u32; SYMBOLS + 3],
    /// The symbol at the start of each 256th of the range, and room to write beyond.
    guess: [u8; 256 + FILL],
}

impl Table {
    /// Intervals about as long as `counts`, none of them empty; 2 to 256 symbols. The counts become the lengths.
    pub fn new(counts: &mut [u32]) -> Self {
        let mut table = Table { starts: [1 << BITS; _], guess: [0; _] };
        table.set(counts);
        table
    }

    /// As [`Table::new`], for as many symbols as before. In line, for [`caesar_kernels::Loops`].
    #[inline(always)]
    pub fn set(&mut self, counts: &mut [u32]) {
        let (mut total, mut most) = (0, 0);
        for &mut count in counts.iter_mut() {
            total += u64::from(count);
            most = most.max(count);
        }
        let share = ((1 << BITS) - (counts.len() as u64) << 32) / total.max(1);
        let commonest = counts.iter().position(|&count| count == most).unwrap_or(0);
        let mut sum = 0;
        for count in counts.iter_mut() {
            *count = 1 + (u64::from(*count) * share >> 32) as u32;
            sum += *count;
        }
        // What rounding down has left belongs to the commonest.
        counts[commonest] += (1 << BITS) - sum;
        let (mut start, mut from) = (0, 0);
        for (symbol, (at, length)) in self.starts.iter_mut().zip(counts).enumerate() {
            *at = start;
            start += *length;
            let to = (start + (1 << GUESS_SHIFT) - 1 >> GUESS_SHIFT) as usize;
            // Whole vectors: what is written too far is overwritten by the symbols after.
            loop {
                self.guess[from..from + FILL].fill(symbol as u8);
                from += FILL;
                if from >= to {
                    break;
                }
            }
            from = to;
        }
    }

    /// The symbol in whose interval a position is, where that starts and where it ends.
    #[inline(always)]
    fn find(&self, position: u32) -> (u8, u32, u32) {
        let guess = self.guess[(position >> GUESS_SHIFT) as usize & 255];
        // Mostly one of three; sums of comparisons are not guessed wrong, as branches are.
        let near = [1, 2].map(|next| u8::from(self.starts[usize::from(guess) + next] <= position));
        let mut symbol = guess.wrapping_add(near[0] + near[1]);
        let (mut start, mut end) = (self.starts[usize::from(symbol)], self.starts[usize::from(symbol) + 1]);
        while end <= position {
            symbol = symbol.wrapping_add(1);
            (start, end) = (end, self.starts[usize::from(symbol) + 1]);
        }
        (symbol, start, end)
    }
}

/// One direction of a coder of symbols.
pub trait SymbolCoder {
    /// Codes a symbol of `table`: the recorder notes it and returns it, the reader returns the one it reads.
    fn symbol(&mut self, table: &Table, symbol: u8) -> u8;

    /// Codes the low `count` (≤ 32) bits of `value`, all equally likely.
    fn raw(&mut self, value: u32, count: u32) -> u32;
}

/// Notes symbols.
#[derive(Default)]
pub struct Recorder {
    /// Start and length of each symbol's interval, 16 bits each.
    intervals: Vec<u32>,
}

/// One state as long as a stream is short: four would cost more than they speed up.
fn lanes(symbols: usize) -> usize {
    if symbols < 1 << 15 { 1 } else { LANES }
}

impl Recorder {
    /// The bytes: the states, then the words that refill them; none where there were no symbols. `about` is what the reader is told as well, the number of
    /// symbols or near it.
    pub fn finish(self, about: usize) -> Vec<u8> {
        if self.intervals.is_empty() {
            return Vec::new();
        }
        let lanes = lanes(about);
        let mut states = [LEAST; LANES];
        let mut words = Vec::with_capacity(self.intervals.len() / 8);
        for (i, &interval) in self.intervals.iter().enumerate().rev() {
            let state = &mut states[i % lanes];
            let (start, length) = (u64::from(interval >> 16), u64::from(interval & 0xffff));
            if *state >= length << (64 - BITS) {
                words.push(*state as u32);
                *state >>= 32;
            }
            *state = (*state / length << BITS) + *state % length + start;
        }
        let states = states[..lanes].iter().flat_map(|state| state.to_le_bytes());
        states.chain(words.iter().rev().flat_map(|word| word.to_le_bytes())).collect()
    }
}

impl SymbolCoder for Recorder {
    #[inline(always)]
    fn symbol(&mut self, table: &Table, symbol: u8) -> u8 {
        let start = table.starts[usize::from(symbol)];
        self.intervals.push(start << 16 | table.starts[usize::from(symbol) + 1] - start);
        symbol
    }

    fn raw(&mut self, value: u32, count: u32) -> u32 {
        for (value, count) in raw_parts(value, count) {
            self.intervals.push(value << (BITS - count) << 16 | 1 << (BITS - count));
        }
        value
    }
}

/// Bits in parts of at most 15, lowest first: each has an interval that is neither empty nor everything.
fn raw_parts(value: u32, count: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..count.div_ceil(15)).map(move |part| {
        let bits = (count - 15 * part).min(15);
        (value >> (15 * part) & ((1 << bits) - 1), bits)
    })
}

/// Reads symbols from bytes that may end early (then zeros follow) or hold anything at all.
pub struct Reader<'a> {
    states: [u64; LANES],
    /// The state that is the last of a round, and the one whose turn it is.
    last: usize,
    turn: usize,
    words: std::slice::Iter<'a, [u8; 4]>,
    /// Bytes after the last whole word.
    rest: &'a [u8],
    /// Words taken beyond the end.
    missing: bool,
}

impl<'a> Reader<'a> {
    /// `about` as the recorder was told.
    pub fn new(bytes: &'a [u8], about: usize) -> Self {
        let lanes = lanes(about);
        let (head, rest) = bytes.split_at(bytes.len().min(8 * lanes));
        let mut states = [LEAST; LANES];
        // Nothing at all is what no symbols take.
        let missing = !head.is_empty() && head.len() < 8 * lanes;
        for (state, bytes) in states.iter_mut().zip(head.chunks_exact(8)) {
            *state = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        let (words, rest) = rest.as_chunks();
        Reader { states, last: lanes - 1, turn: 0, words: words.iter(), rest, missing }
    }

    #[inline(always)]
    fn advance(&mut self, start: u64, length: u64) {
        let state = &mut self.states[self.turn % LANES];
        let position = *state & ((1 << BITS) - 1);
        *state = (*state >> BITS).wrapping_mul(length).wrapping_add(position).wrapping_sub(start);
        if *state < LEAST {
            let word = match self.words.next() {
                Some(&word) => u32::from_le_bytes(word),
                None => {
                    self.missing = true;
                    0
                }
            };
            *state = *state << 32 | u64::from(word);
        }
        self.turn = (self.turn + 1) & self.last;
    }

    /// Errors when the symbols were not those of a recorder.
    pub fn finish(mut self) -> Result<()> {
        if self.missing {
            return Err(Error::InsufficientData("the symbols of a tile end too early".into()));
        }
        if self.states != [LEAST; LANES] || self.words.next().is_some() || !self.rest.is_empty() {
            return Err(Error::Corruption("the symbols of a tile do not end where they should".into()));
        }
        Ok(())
    }
}

impl SymbolCoder for Reader<'_> {
    #[inline(always)]
    fn symbol(&mut self, table: &Table, _: u8) -> u8 {
        let position = self.states[self.turn % LANES] as u32 & ((1 << BITS) - 1);
        let (symbol, start, end) = table.find(position);
        self.advance(start.into(), (end - start).into());
        symbol
    }

    fn raw(&mut self, _: u32, count: u32) -> u32 {
        let mut read = 0;
        for (part, (_, bits)) in raw_parts(0, count).enumerate() {
            let value = self.states[self.turn % LANES] as u32 >> (BITS - bits) & ((1 << bits) - 1);
            let value = value & 0xffff;
            self.advance(u64::from(value) << (BITS - bits), 1 << (BITS - bits));
            read |= value << (15 * part);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Symbols and raw bits alternating, read or written.
    fn code<S: SymbolCoder>(coder: &mut S, table: &Table, items: &mut [(u8, u32, u32)]) {
        for (symbol, value, count) in items {
            *symbol = coder.symbol(table, *symbol);
            *value = coder.raw(*value, *count);
        }
    }

    fn items(symbols: u8) -> impl Strategy<Value = Vec<(u8, u32, u32)>> {
        let item = (0..=symbols, any::<u32>(), 0u32..=32).prop_map(|(s, v, n)| (s, (u64::from(v) & ((1 << n) - 1)) as u32, n));
        prop::collection::vec(item, 0..500)
    }

    proptest! {
        #[test]
        fn symbols_come_back(
            counts in prop::collection::vec(0u32..1 << 22, 2..=256),
            seed in items(255),
            about in prop_oneof![Just(0usize), Just(1 << 20)],
        ) {
            let (symbols, mut counts) = (counts.len(), counts);
            let table = Table::new(&mut counts);
            prop_assert!(table.starts[..=symbols].windows(2).all(|w| w[0] < w[1]) && table.starts[symbols] == 1 << BITS);
            let mut items: Vec<_> = seed.into_iter().map(|(s, v, n)| ((usize::from(s) % symbols) as u8, v, n)).collect();
            let mut recorder = Recorder::default();
            code(&mut recorder, &table, &mut items);
            let bytes = recorder.finish(about);
            let mut read: Vec<_> = items.iter().map(|&(_, _, n)| (0, 0, n)).collect();
            let mut reader = Reader::new(&bytes, about);
            code(&mut reader, &table, &mut read);
            prop_assert!(reader.finish().is_ok());
            prop_assert_eq!(&read, &items);
            if bytes.len() > 40 {
                let mut reader = Reader::new(&bytes[..bytes.len() - 4], about);
                code(&mut reader, &table, &mut read);
                prop_assert!(reader.finish().is_err());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), mut items in items(1)) {
            let mut reader = Reader::new(&bytes, items.len());
            code(&mut reader, &Table::new(&mut [1, 70000]), &mut items);
            let _ = reader.finish();
        }
    }

    #[test]
    fn symbols_cost_their_information() {
        let table = Table::new(&mut [1 << 20, 1 << 10]);
        let mut recorder = Recorder::default();
        (0..100_000).for_each(|i| {
            recorder.symbol(&table, u8::from(i % 1024 == 0));
        });
        let bits = recorder.finish(100_000).len() * 8;
        assert!((1000..1500).contains(&bits), "{bits}");
    }
}
