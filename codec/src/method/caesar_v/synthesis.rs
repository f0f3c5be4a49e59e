//! From latents to the prediction, in bands of rows: while one thread still reads latents, others turn into values what is complete.

use super::head::{Correction, Head, PATCH};
use super::padding::Padding;
use super::{Networks, Settings, latents};
use crate::error::{Error, Result};
use crate::transform::{self, FRACTION_BITS, Layout};
use caesar_kernels::{Team, look_until};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Rows of a band that no network sees.
const PLAIN: usize = 64;

/// The prediction that latents stand for, in lattice units, in the tile's shape. `strip` gives the latents of each strip of blocks,
/// one after the other; `ahead` is what it waits for, if anything: done on this thread, while another asks for strips if there is one.
pub fn predict(strip: impl FnMut(usize) -> Vec<i32> + Send, ahead: Option<Box<dyn FnOnce() + '_>>, layout: &Layout, settings: &Settings, padding: &Padding, model: &Networks) -> Result<Vec<i32>> {
    let mut prediction = vec![0; padding.points()];
    let head = settings.sharpen.then(|| Head::of(model)).transpose()?;
    let strips = layout.strips();
    let synthesis = Synthesis {
        layout,
        settings,
        latents: (0..strips).map(|_| Mutex::default()).collect(),
        complete: Complete::default(),
        strips: (0..strips).map(|_| OnceLock::new()).collect(),
        bands: bands(&mut prediction, layout, padding, head.as_ref(), model),
        head,
        next: AtomicUsize::new(0),
        failure: Mutex::default(),
    };
    synthesis.run(strip, ahead, model.team);
    let failure = lock(&synthesis.failure).take();
    drop(synthesis);
    failure.map_or(Ok(prediction), Err)
}

/// Some rows of some frames of the tile.
struct Band<'a> {
    frames: Range<usize>,
    rows: Range<usize>,
    /// Columns of the tile.
    columns: usize,
    /// Strips that have to be complete.
    needs: usize,
    /// Where the values of each frame go.
    values: Mutex<Vec<&'a mut [i32]>>,
}

/// The bands of an image, in the order in which they become possible.
fn bands<'a>(mut values: &'a mut [i32], layout: &Layout, padding: &Padding, head: Option<&Head>, model: &Networks) -> Vec<Band<'a>> {
    let ([frames, rows, _], [_, down, _]) = (layout.image, layout.count);
    let (most, beyond, beside) = head.map_or((PLAIN, 0, 0), |head| (head.rows(), head.beyond(), head.beside()));
    // Larger ones, and less of them computed twice, where no other thread waits.
    let most = most.saturating_mul(if model.team.threads() > 1 { 1 } else { 2 });
    let high = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(PATCH);
    let starts = (0..padding.frames()).step_by(model.frames).flat_map(|frame| (0..rows).step_by(high).map(move |y| (frame, y)));
    let band = |(frame, y): (usize, usize)| {
        let (frames_end, end) = ((frame + model.frames).min(padding.frames()), (y + high).min(rows));
        let (late, low) = ((frames_end - 1 + beside).min(frames - 1), (end - 1).saturating_add(beyond).min(rows - 1));
        let needs = late / layout.frames * down + low / layout.side + 1;
        Band { frames: frame..frames_end, rows: y..end, columns: padding.columns(), needs, values: Mutex::default() }
    };
    let mut bands: Vec<Band> = starts.map(band).collect();
    let each = rows.div_ceil(high);
    for frame in 0..padding.frames() {
        for band in &mut bands[frame / model.frames * each..][..each] {
            let mine;
            (mine, values) = values.split_at_mut(padding.points_of(frame, band.rows.clone()));
            band.values.get_mut().unwrap_or_else(PoisonError::into_inner).push(mine);
        }
    }
    bands.sort_by_key(|band| band.needs);
    bands
}

struct Synthesis<'a> {
    layout: &'a Layout,
    settings: &'a Settings,
    /// Of each strip, until its points are wanted.
    latents: Vec<Mutex<Vec<i32>>>,
    complete: Complete,
    /// Points of each strip in 1/64 step: frames, rows, columns.
    strips: Vec<OnceLock<Vec<i32>>>,
    bands: Vec<Band<'a>>,
    head: Option<Head>,
    /// The band that nobody has taken yet.
    next: AtomicUsize,
    failure: Mutex<Option<Error>>,
}

impl<'a> Synthesis<'a> {
    fn run(&self, strip: impl FnMut(usize) -> Vec<i32> + Send, ahead: Option<Box<dyn FnOnce() + '_>>, team: Team) {
        // Whoever comes first completes all strips.
        let strip = Mutex::new(Some(strip));
        let complete = |alone: bool| {
            let Some(mut strip) = lock(&strip).take() else { return };
            let complete = Writer(&self.complete);
            for (i, latents) in self.latents.iter().enumerate() {
                *lock(latents) = strip(i);
                complete.0.set(i + 1);
                // While they are in the cache.
                while alone && self.bands.get(self.next.load(Ordering::Relaxed)).is_some_and(|band| band.needs <= i + 1) {
                    self.take().into_iter().for_each(|band| self.make(band));
                }
            }
        };
        let help = || {
            while let Some(band) = self.take() {
                self.complete.wait_for(band.needs);
                self.make(band);
            }
        };
        let is_ahead = ahead.is_some();
        let beside = || {
            if is_ahead {
                complete(false);
            }
            help();
        };
        team.helped(beside, || {
            ahead.into_iter().for_each(|ahead| ahead());
            complete(team.threads() == 1);
            help();
        });
    }

    fn take(&self) -> Option<&Band<'a>> {
        self.bands.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn make(&self, band: &Band) {
        let (frames, rows) = (band.frames.clone(), band.rows.clone());
        let step = transform::step(self.settings.step);
        let mut points = vec![0; self.layout.image[2]];
        let mut values = lock(&band.values);
        let mut finish = |t: usize, correction: Option<&Correction>| {
            for (values, y) in values[t - band.frames.start].chunks_mut(band.columns).zip(band.rows.clone()) {
                points.copy_from_slice(self.row(t, y));
                if let Some(correction) = correction {
                    correction.add(&mut points, y);
                }
                to_lattice(&points, step, self.settings.mean, values);
            }
        };
        let Some(head) = &self.head else {
            return frames.for_each(|t| finish(t, None));
        };
        let done = head.correct(|t, y| self.row(t, y), frames, rows, self.layout.image, |t, correction| finish(t, Some(correction)));
        if let Err(error) = done {
            *lock(&self.failure) = Some(error);
        }
    }

    /// A row of points; its strip is complete.
    fn row(&self, frame: usize, y: usize) -> &[i32] {
        let Layout { image: [_, _, columns], frames, side, count: [_, down, _], .. } = *self.layout;
        let strip = self.strip(frame / frames * down + y / side);
        let high = strip.len() / (frames * columns);
        &strip[(frame % frames * high + y % side) * columns..][..columns]
    }

    fn strip(&self, strip: usize) -> &[i32] {
        self.strips[strip].get_or_init(|| {
            let latents = std::mem::take(&mut *lock(&self.latents[strip]));
            let Layout { image: [_, rows, columns], side, count: [_, down, _], .. } = *self.layout;
            let plane = side.min(rows - strip % down * side) * columns;
            let mut points = vec![0; self.layout.frames * plane];
            transform::inverse_strip(&latents, self.layout, strip, plane, latents::dequantise, &mut points);
            points
        })
    }
}

caesar_kernels::loops! {
    /// Values in 1/64 step as lattice integers; far outside the lattice's limits they stay at a limit.
    fn to_lattice(points: &[i32], step: i32, mean: i32, values: &mut [i32]) {
        const LIMIT: i64 = 1 << 29;
        let half = 1i64 << (FRACTION_BITS - 1);
        for (value, &u) in values.iter_mut().zip(points) {
            let v = i64::from(mean) + (i64::from(u) * i64::from(step) + half >> FRACTION_BITS);
            *value = v.clamp(-LIMIT, LIMIT) as i32;
        }
    }
}

/// How many strips are complete, for others to wait.
#[derive(Default)]
struct Complete {
    rows: AtomicUsize,
    grow: Mutex<()>,
    grown: Condvar,
}

impl Complete {
    fn set(&self, rows: usize) {
        let grow = lock(&self.grow);
        self.rows.store(rows, Ordering::Release);
        drop(grow);
        self.grown.notify_all();
    }

    fn wait_for(&self, rows: usize) {
        let there = || self.rows.load(Ordering::Acquire) >= rows;
        if !look_until(there) {
            drop(self.grown.wait_while(lock(&self.grow), |_| !there()));
        }
    }
}

/// Whoever completes rows. When it leaves, be it in a panic, nobody waits any longer.
struct Writer<'a>(&'a Complete);

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.0.set(usize::MAX);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
