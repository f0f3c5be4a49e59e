//! Interleaved range asymmetric numeral systems (rANS): symbols under tables that do not change meanwhile.
//!
//! Where the range coder adapts with every decision, here whole symbols are looked up, and there are several states, so that a
//! processor works at them side by side: whoever codes says which one a symbol belongs to. As with [`super::BitCoder`] one function serves both directions: the
//! [`Recorder`] notes the interval of each symbol and writes them all, last first, when it is finished; the [`Reader`]
//! reads them in order.

use crate::error::{Error, Result};

/// Bits of a probability.
const BITS: u32 = 16;
/// States are at least this between two symbols; they are refilled by 32 bits.
const LEAST: u64 = 1 << 32;
/// Most states of a stream.
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

/// One direction of a coder of symbols. Whoever codes many takes its states along and hands them back: only so do they stay
/// in registers.
pub trait SymbolCoder: Send {
    type State: Copy;

    /// How many states there are: 1, 2 or 4.
    fn lanes(&self) -> usize;

    /// The first `L` states.
    fn states<const L: usize>(&self) -> [Self::State; L];

    fn keep<const L: usize>(&mut self, states: [Self::State; L]);

    /// Codes a symbol of `table`, then the lowest `count` (≤ 15) bits of `low`, all equally likely: the recorder notes them and returns
    /// them, the reader returns those it reads.
    fn symbol(&mut self, state: &mut Self::State, table: &Table, symbol: u8, low: u32, count: u32) -> (u8, u32);

    /// The same without low bits, faster where the symbol is nearly always the usual one.
    #[inline(always)]
    fn mostly(&mut self, state: &mut Self::State, table: &Table, _usual: u8, symbol: u8) -> u8 {
        self.symbol(state, table, symbol, 0, 0).0
    }

    /// Codes the lowest `count` (≤ 32) bits of `value`, all equally likely.
    fn raw(&mut self, state: &mut Self::State, value: u32, count: u32) -> u32;
}

/// Notes symbols. What one thread writes all the time shall lie in no line of the cache (two are fetched together) where another's does.
#[repr(align(128))]
#[derive(Default)]
pub struct Recorder {
    intervals: Vec<Interval>,
}

/// An interval of `[0, 65536)`, and bits after it.
struct Interval {
    start: u16,
    length: u16,
    low: u16,
    count: u8,
    lane: u8,
}

impl Recorder {
    /// The bytes: the number of states, the states, then the words that refill them; none where there were no symbols.
    pub fn finish(&self) -> Vec<u8> {
        if self.intervals.is_empty() {
            return Vec::new();
        }
        let (states, words) = self.code(LANES);
        // States are faster side by side, but cost eight bytes each.
        let (states, words) = match words.len() {
            0x400.. => (states, words),
            0x100.. => self.code(2),
            _ => self.code(1),
        };
        let states_bytes = states.iter().flat_map(|state| state.to_le_bytes());
        let words_bytes = words.iter().rev().flat_map(|word| word.to_le_bytes());
        [states.len() as u8].into_iter().chain(states_bytes).chain(words_bytes).collect()
    }

    /// All intervals coded, last first, by so many states; where symbols took turns with more, these share them.
    fn code(&self, lanes: usize) -> (Vec<u64>, Vec<u32>) {
        let (mut states, mut words) = (vec![LEAST; lanes], Vec::with_capacity(self.intervals.len() / 8));
        for interval in self.intervals.iter().rev() {
            let state = &mut states[usize::from(interval.lane) % lanes];
            let (start, length) = (u64::from(interval.start), u64::from(interval.length));
            if *state >= length << (64 - BITS - u32::from(interval.count)) {
                words.push(*state as u32);
                *state >>= 32;
            }
            *state = *state << interval.count | u64::from(interval.low);
            *state = (*state / length << BITS) + *state % length + start;
        }
        (states, words)
    }
}

impl SymbolCoder for Recorder {
    /// Its number.
    type State = u8;

    fn lanes(&self) -> usize {
        LANES
    }

    fn states<const L: usize>(&self) -> [u8; L] {
        std::array::from_fn(|lane| lane as u8)
    }

    fn keep<const L: usize>(&mut self, _: [u8; L]) {}

    #[inline(always)]
    fn symbol(&mut self, lane: &mut u8, table: &Table, symbol: u8, low: u32, count: u32) -> (u8, u32) {
        let low = low & ((1 << count) - 1);
        let [start, end] = [0, 1].map(|i| table.starts[usize::from(symbol) + i]);
        self.intervals.push(Interval { start: start as u16, length: (end - start) as u16, low: low as u16, count: count as u8, lane: *lane });
        (symbol, low)
    }

    fn raw(&mut self, lane: &mut u8, value: u32, count: u32) -> u32 {
        for (value, count) in raw_parts(value, count) {
            let (start, length) = (value << (BITS - count), 1 << (BITS - count));
            self.intervals.push(Interval { start: start as u16, length, low: 0, count: 0, lane: *lane });
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

/// Reads symbols from bytes that may end early (then zeros follow) or hold anything at all. Aligned as [`Recorder`] is.
#[repr(align(128))]
pub struct Reader<'a> {
    states: [u64; LANES],
    lanes: usize,
    words: &'a [[u8; 4]],
    /// How many words were taken, those beyond the end counted.
    taken: usize,
    /// Bytes after the last whole word.
    rest: &'a [u8],
    /// Whether states are missing, or their number.
    missing: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let (told, states_on) = match bytes {
            // Nothing at all is what no symbols take.
            [] => (None, bytes),
            [lanes, states_on @ ..] => (Some(usize::from(*lanes)), states_on),
        };
        let lanes = told.filter(|lanes| matches!(lanes, 1 | 2 | 4));
        let (head, rest) = states_on.split_at(states_on.len().min(8 * lanes.unwrap_or(1)));
        let missing = told.is_some() && lanes.is_none_or(|lanes| head.len() < 8 * lanes);
        let mut states = [LEAST; LANES];
        for (state, bytes) in states.iter_mut().zip(head.chunks_exact(8)) {
            *state = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        let (words, rest) = rest.as_chunks();
        Reader { states, lanes: lanes.unwrap_or(1), words, taken: 0, rest, missing }
    }

    /// Takes an interval, and the lowest `count` bits of what is left, from a state.
    #[inline(always)]
    fn advance(&mut self, state: &mut u64, start: u64, length: u64, count: u32) -> u32 {
        let position = *state & ((1 << BITS) - 1);
        let whole = (*state >> BITS).wrapping_mul(length).wrapping_add(position).wrapping_sub(start);
        let low = whole as u32 & ((1 << count) - 1);
        let left = whole >> count;
        // No branch: whether a word is due cannot be foretold.
        let word = self.word();
        let due = left < LEAST;
        *state = if due { left << 32 | u64::from(word) } else { left };
        self.taken += usize::from(due);
        low
    }

    /// The next word; zeros follow the last.
    #[inline(always)]
    fn word(&self) -> u32 {
        self.words.get(self.taken).map_or(0, |&word| u32::from_le_bytes(word))
    }

    /// Errors when the symbols were not those of a recorder.
    pub fn finish(&self) -> Result<()> {
        if self.missing || self.taken > self.words.len() {
            return Err(Error::InsufficientData("the symbols of a tile end too early".into()));
        }
        if self.states != [LEAST; LANES] || self.taken < self.words.len() || !self.rest.is_empty() {
            return Err(Error::Corruption("the symbols of a tile do not end where they should".into()));
        }
        Ok(())
    }
}

impl SymbolCoder for Reader<'_> {
    type State = u64;

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn states<const L: usize>(&self) -> [u64; L] {
        std::array::from_fn(|lane| self.states[lane])
    }

    fn keep<const L: usize>(&mut self, states: [u64; L]) {
        self.states[..L].copy_from_slice(&states);
    }

    #[inline(always)]
    fn symbol(&mut self, state: &mut u64, table: &Table, _: u8, _: u32, count: u32) -> (u8, u32) {
        let (symbol, start, end) = table.find(*state as u32 & ((1 << BITS) - 1));
        (symbol, self.advance(state, start.into(), (end - start).into(), count))
    }

    #[inline(always)]
    fn mostly(&mut self, state: &mut u64, table: &Table, usual: u8, symbol: u8) -> u8 {
        let [start, end] = [0, 1].map(|i| table.starts[usize::from(usual) + i]);
        let position = *state as u32 & ((1 << BITS) - 1);
        // A branch that is guessed right nearly always: nothing waits for the table.
        if position.wrapping_sub(start) < end - start {
            *state = (*state >> BITS).wrapping_mul((end - start).into()).wrapping_add((position - start).into());
            // So is whether a word is due: such symbols take few bits.
            if *state < LEAST {
                *state = *state << 32 | u64::from(self.word());
                self.taken += 1;
            }
            return usual;
        }
        self.symbol(state, table, symbol, 0, 0).0
    }

    fn raw(&mut self, state: &mut u64, _: u32, count: u32) -> u32 {
        let mut read = 0;
        for (part, (_, bits)) in raw_parts(0, count).enumerate() {
            let value = *state as u32 >> (BITS - bits) & ((1 << bits) - 1);
            self.advance(state, u64::from(value) << (BITS - bits), 1 << (BITS - bits), 0);
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
        let (mut states, lanes) = (coder.states::<LANES>(), coder.lanes());
        for (i, (symbol, value, count)) in items.iter_mut().enumerate() {
            let low = count.saturating_sub(17);
            let (read, lowest) = coder.symbol(&mut states[i % lanes], table, *symbol, *value, low);
            *symbol = read;
            *value = coder.raw(&mut states[i % lanes], *value >> low, *count - low) << low | lowest;
        }
        coder.keep(states);
    }

    fn items(symbols: u8) -> impl Strategy<Value = Vec<(u8, u32, u32)>> {
        let item = (0..=symbols, any::<u32>(), 0u32..=32).prop_map(|(s, v, n)| (s, (u64::from(v) & ((1 << n) - 1)) as u32, n));
        prop::collection::vec(item, 0..2000)
    }

    proptest! {
        #[test]
        fn symbols_come_back(
            counts in prop::collection::vec(0u32..1 << 22, 2..=256),
            seed in items(255),
        ) {
            let (symbols, mut counts) = (counts.len(), counts);
            let table = Table::new(&mut counts);
            prop_assert!(table.starts[..=symbols].windows(2).all(|w| w[0] < w[1]) && table.starts[symbols] == 1 << BITS);
            let mut items: Vec<_> = seed.into_iter().map(|(s, v, n)| ((usize::from(s) % symbols) as u8, v, n)).collect();
            let mut recorder = Recorder::default();
            code(&mut recorder, &table, &mut items);
            let bytes = recorder.finish();
            let mut read: Vec<_> = items.iter().map(|&(_, _, n)| (0, 0, n)).collect();
            let mut reader = Reader::new(&bytes);
            code(&mut reader, &table, &mut read);
            prop_assert!(reader.finish().is_ok());
            prop_assert_eq!(&read, &items);
            if bytes.len() > 40 {
                let mut reader = Reader::new(&bytes[..bytes.len() - 4]);
                code(&mut reader, &table, &mut read);
                prop_assert!(reader.finish().is_err());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), mut items in items(1)) {
            let mut reader = Reader::new(&bytes);
            code(&mut reader, &Table::new(&mut [1, 70000]), &mut items);
            let _ = reader.finish();
        }
    }

    #[test]
    fn symbols_cost_their_information() {
        let table = Table::new(&mut [1 << 20, 1 << 10]);
        let mut recorder = Recorder::default();
        let mut items: Vec<_> = (0..100_000).map(|i| (u8::from(i % 1024 == 0), 0, 0)).collect();
        code(&mut recorder, &table, &mut items);
        let bits = recorder.finish().len() * 8;
        assert!((1000..1500).contains(&bits), "{bits}");
    }
}
