//! Latents: the coefficients of the block transform in units of the step.

use crate::entropy::{BitCoder, Encoder};
use crate::transform::{self, BlockCoder, Estimate, FRACTION_BITS, Layout, PARTS, Rates, Rest, State};
use caesar_kernels::{Team, look_until};
use std::sync::mpsc;

/// Latents stay below this in magnitude, so that what follows stays within 32 bits.
const LIMIT: i32 = 1 << (transform::MAX_INPUT_BITS - FRACTION_BITS);

/// Codes the latents of a tile, strip of blocks after strip.
pub struct LatentCoder<'a, C> {
    layout: &'a Layout,
    blocks: BlockCoder<'a>,
    coder: &'a mut C,
    /// What has a code of its own.
    rest: Option<(Rest<'a>, &'a mut C)>,
}

impl<'a, C: BitCoder + Send> LatentCoder<'a, C> {
    /// `scale`: when a hyperprior gives one. `rest`: how many parts of each block are left to the first code, and the second one.
    pub fn new(coder: &'a mut C, rest: Option<(usize, &'a mut C)>, scale: Option<&'a transform::Scale>, layout: &'a Layout, skipped: &'a [bool]) -> Self {
        let blocks = BlockCoder::new(layout, scale, Some(skipped), State::DEPENDENT);
        match rest {
            Some((parts, of_rest)) => {
                let (blocks, rest) = blocks.cut(parts);
                LatentCoder { layout, blocks, coder, rest: Some((rest, of_rest)) }
            }
            None => LatentCoder { layout, blocks, coder, rest: None },
        }
    }

    /// Writes latents, on two threads where there are two codes.
    pub fn write(mut self, latents: &[i32], team: Team) {
        let layout = self.layout;
        let strip = |i: usize| latents[i * layout.strip_len()..][..layout.strip_len()].to_vec();
        if self.rest.is_none() || team.threads() == 1 {
            return (0..layout.strips()).for_each(|i| self.code_strip(i, &mut strip(i)));
        }
        let (first, mut rest) = self.on_two_threads(strip);
        team.join(first, || (0..layout.strips()).for_each(|i| drop(rest(i))));
    }

    fn code_strip(&mut self, strip: usize, latents: &mut [i32]) {
        self.blocks.code_strip(self.coder, strip, latents);
        if let Some((rest, coder)) = &mut self.rest {
            rest.code_strip(*coder, self.blocks.take_unsigned(), strip, latents);
        }
    }

    /// Reads each strip in its turn.
    pub fn reader(mut self) -> impl FnMut(usize) -> Vec<i32> + Send {
        move |strip| {
            let mut latents = vec![0; self.layout.strip_len()];
            self.code_strip(strip, &mut latents);
            latents
        }
    }

    /// Reads on two threads.
    pub fn readers(self) -> (impl FnOnce() + 'a, impl FnMut(usize) -> Vec<i32> + Send + 'a) where C: 'a {
        let layout = self.layout;
        self.on_two_threads(|_| vec![0; layout.strip_len()])
    }

    /// The first code of all strips for one thread, the rest of each strip in its turn for another, which waits for that.
    fn on_two_threads<L: Fn(usize) -> Vec<i32>>(self, latents: L) -> (impl FnOnce() + use<'a, C, L>, impl FnMut(usize) -> Vec<i32> + Send + use<'a, C, L>) {
        let LatentCoder { layout, mut blocks, coder, mut rest } = self;
        let (sender, receiver) = mpsc::channel();
        let first = move || {
            for strip in 0..layout.strips() {
                let mut latents = latents(strip);
                blocks.code_strip(coder, strip, &mut latents);
                // Nobody receives it where the other thread failed.
                let _ = sender.send((latents, blocks.take_unsigned()));
            }
        };
        let rest = move |strip: usize| {
            let mut first = None;
            look_until(|| {
                first = receiver.try_recv().ok();
                first.is_some()
            });
            let (mut latents, unsigned) = first.or_else(|| receiver.recv().ok()).expect("the first code of every strip");
            if let Some((rest, coder)) = &mut rest {
                rest.code_strip(*coder, unsigned, strip, &mut latents);
            }
            latents
        };
        (first, rest)
    }
}

/// So many latents that are not zero are worth two codes.
const MANY: usize = 10_000;

/// How many parts of each block the first of two codes takes, so that two threads have as much to do. `None`: one code for all.
pub fn parts_apart(latents: &[i32], layout: &Layout, skipped: &[bool], sharpen: bool) -> Option<usize> {
    let (mut decisions, mut signs) = ([0; PARTS], 0);
    for block in 0..layout.blocks() {
        let latents = &latents[layout.range(block)];
        for (s, &q) in latents[..transform::used(latents)].iter().enumerate() {
            decisions[s * PARTS / latents.len()] += 1 + q.unsigned_abs().min(4) as usize;
            signs += usize::from(q != 0);
        }
    }
    if signs < MANY {
        return None;
    }
    // What takes as long as twelve decisions: signs that are expected or not, points that a network sees or not.
    let of_sign = if are_signs_plain(latents, layout, skipped) { 4 } else { 30 };
    let of_point = if sharpen { 8 } else { 3 };
    let all = decisions.iter().sum::<usize>() + (of_sign * signs + of_point * latents.len()) / 12;
    let mut first = decisions.iter().scan(0, |sum, part| {
        *sum += part;
        Some(*sum)
    });
    Some(first.position(|first| 2 * first >= all).map_or(PARTS, |part| part + 1))
}

fn are_signs_plain(latents: &[i32], layout: &Layout, skipped: &[bool]) -> bool {
    let (mut first, mut second) = (Encoder::new(), Encoder::new());
    let mut coder = LatentCoder::new(&mut first, Some((PARTS, &mut second)), None, layout, skipped);
    let are_plain = latents.chunks_exact(layout.strip_len()).enumerate().find_map(|(i, strip)| {
        coder.code_strip(i, &mut strip.to_vec());
        coder.rest.as_ref()?.0.are_signs_plain()
    });
    are_plain == Some(true)
}

/// Multiples that codes stand for are of 5/8 step: what dependent quantisation errs then is what plain rounding to a step would.
const UNIT: i32 = 40;

/// What values with a code of one are larger than its multiple, in the mean of many fields, in 1/64 step.
const BEYOND_ONE: i32 = 2;

/// Squared units that a bit is worth: where both are cheapest together, flat from 0.2 to 0.5.
const WEIGHT: f32 = 0.35;

/// Units in a lattice unit.
fn scale(step: i32) -> f32 {
    (1 << FRACTION_BITS) as f32 / (step as f32 * UNIT as f32)
}

/// Latents of coefficients in lattice units, found by weighing bits against error.
pub fn quantise(coefficients: &[f32], step: i32, layout: &Layout, skip: &[bool], rates: &Rates, team: Team) -> Vec<i32> {
    transform::quantise(coefficients, scale(step), layout, skip, rates, WEIGHT, team)
}

/// About what the latents of blocks of one size cost, in bits and in errors.
pub fn estimate(image: &[f32], step: i32, layout: Layout, skip: &[bool]) -> Estimate {
    Estimate::of(image, layout, scale(step), skip, WEIGHT)
}

/// What a block costs more for `bits`.
pub fn cost_of(bits: f32) -> f32 {
    WEIGHT * bits
}

/// What the latents of a block stand for, in 1/64 step, and up to where they are.
pub fn dequantise(latents: &[i32], points: &mut [i32]) -> usize {
    let used = transform::used(latents);
    let mut state = State::DEPENDENT;
    for (&q, point) in latents[..used].iter().zip(points) {
        let size = q.unsigned_abs().min(LIMIT as u32);
        let size = state.multiple(size) as i32 * UNIT + if size == 1 { BEYOND_ONE } else { 0 };
        *point = if q < 0 { -size } else { size };
        state = state.after(q);
    }
    used
}
