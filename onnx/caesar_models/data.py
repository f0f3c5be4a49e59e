"""Real fields as training crops: every array of an HDF5 file, without the sets held out for development."""

import h5py
import numpy as np
import torch

# Whole data sets that no network is trained on, so that development figures mean something.
HELD_OUT = {
    "nemo_orca025_northsea", "crcm5_tasmax", "ecco_v4_llc90", "ndfd_waveh",
    "epoch_pic2d_a", "cordex_eur11_tas", "eraint_uvz", "hit_dns_256",
}


def clean(array, fill):
    """float32 values of a field; fill values, NaN and absurd magnitudes become the mean of the rest.

    None where too little is left to learn from.
    """
    values = array.astype(np.float64)
    bad = ~np.isfinite(values) | (np.abs(values) > 1e30)
    if fill is not None and np.isfinite(fill):
        bad |= np.abs(values - float(fill)) <= 1e-6 * abs(float(fill))
    if bad.mean() > 0.7 or np.ptp(values[~bad]) == 0:
        return None
    values[bad] = values[~bad].mean()
    low, high = values.min(), values.max()
    return ((values - low) / (high - low)).astype(np.float32)


def held_out_clips(path):
    return read_clips(path, lambda group: group in HELD_OUT)


def read_clips(path, wanted=lambda group: group not in HELD_OUT):
    """[(data set, [T, H, W] float32 in 0..1), ...]; a 4-D array gives one clip per leading index."""
    clips = []

    def visit(name, item):
        group = name.split("/")[0]
        if not isinstance(item, h5py.Dataset) or not wanted(group):
            return
        fill = item.attrs.get("_FillValue")
        values = clean(item[...], None if fill is None else np.ravel(fill)[0])
        if values is None:
            return
        if values.ndim == 2:
            values = values[None]
        clips.extend((group, clip) for clip in values.reshape(-1, *values.shape[-3:]))

    with h5py.File(path) as file:
        file.visititems(visit)
    return clips


class Crops:
    """Endless random crops [frames, size, size], mean free, scaled so that the crop's range is 1."""

    def __init__(self, clips, frames, size, seed):
        self.random = np.random.default_rng(seed)
        self.frames, self.size = frames, size
        self.clips = [c for c in clips if frames == 1 or c[1].shape[0] >= 4]
        # The square root keeps large sets from drowning small ones, in a set and between sets.
        total = {}
        for group, clip in self.clips:
            total[group] = total.get(group, 0) + clip.size
        roots = np.array([np.sqrt(clip.size) for _, clip in self.clips])
        share = {g: sum(r for (h, _), r in zip(self.clips, roots) if h == g) for g in total}
        weights = np.array([
            min(total[g], 6e6) ** 0.5 * r / share[g] for (g, _), r in zip(self.clips, roots)
        ])
        self.weights = weights / weights.sum()

    def _frames(self, clip, frames):
        count = clip.shape[0]
        if frames == 1:
            start = self.random.integers(count)
            return clip[start : start + 1]
        stride = 2 if count >= 2 * frames and self.random.random() < 0.3 else 1
        span = (frames - 1) * stride + 1
        if count >= span:
            start = self.random.integers(count - span + 1)
            return clip[start : start + span : stride]
        there_and_back = np.concatenate([np.arange(count), np.arange(count)[::-1]])
        return clip[np.resize(there_and_back, frames)]

    def crop(self, frames):
        random, size = self.random, self.size
        while True:
            clip = self.clips[random.choice(len(self.clips), p=self.weights)][1]
            if clip.shape[0] < min(frames, 4):
                continue
            clip = self._frames(clip, frames)
            if min(clip.shape[1:]) >= 2 * size and random.random() < 0.4:
                clip = clip[:, ::2, ::2]
            high, wide = (min(size, n) for n in clip.shape[1:])
            row, column = (random.integers(n - m + 1) for n, m in zip(clip.shape[1:], (high, wide)))
            clip = clip[:, row : row + high, column : column + wide]
            spread = float(np.ptp(clip))
            mostly_flat = (np.diff(clip, axis=2) == 0).mean() > 0.8
            if spread == 0 or (mostly_flat and random.random() < 0.7):
                continue
            clip = (clip - clip.mean(dtype=np.float64)) / spread
            clip = np.pad(clip, ((0, 0), (0, size - high), (0, size - wide)), mode="edge")
            for axis in range(3):
                if random.random() < 0.5:
                    clip = np.flip(clip, axis)
            if random.random() < 0.5:
                clip = clip.transpose(0, 2, 1)
            if random.random() < 0.5:
                clip = -clip
            return np.ascontiguousarray(clip, np.float32)

    def batch(self, count, frames=None):
        return torch.from_numpy(np.stack([self.crop(frames or self.frames) for _ in range(count)]))
