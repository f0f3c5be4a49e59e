"""Two runs of the same simulation, one plain and one compressed: what it saved, what it cost, how far the values moved.

    analyse.py PLAIN.bp COMPRESSED.bp BOUND [FIGURE.png]

Reads both with stock adios2, as any tool would. The bound is the absolute one of the XML file.
"""

import sys
from types import SimpleNamespace

import adios2
import numpy as np

FIELDS = ["U", "V"]


def costs(file, path):
    """Per output, the first one left out: seconds computing and writing of the slowest rank, bytes."""
    last = file.num_steps() - 1
    at = lambda name, step: file.read(name, step_selection=[step, 1]).max()
    sizes = [at("bytes", step) for step in range(last + 1)]
    seconds = [at(f"seconds {what}", last) / last for what in ("computing", "writing")]
    return SimpleNamespace(computing=seconds[0], writing=seconds[1], bytes=np.diff(sizes))


def field(file, name, step):
    shape = file.inquire_variable(name).shape(step)
    return file.read(name, start=[0] * len(shape), count=shape, step_selection=[step, 1]).reshape(shape)


def figure(path, name, plain, packed, bound, sizes):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    middle = plain.shape[0] // 2
    shown, axes = plt.subplots(1, 4, figsize=(18, 4), layout="constrained")
    for ax, values, title in [(axes[0], plain, f"{name}, plain"), (axes[1], packed, f"{name}, compressed")]:
        shown.colorbar(ax.imshow(values[middle], vmin=plain.min(), vmax=plain.max()), ax=ax)
        ax.set_title(title)
    shown.colorbar(axes[2].imshow((packed - plain)[middle] / bound, cmap="RdBu", vmin=-1, vmax=1), ax=axes[2])
    axes[2].set_title("error / bound")
    for label, values in sizes.items():
        axes[3].plot(values / 1e6, label=label)
    axes[3].set(title="size of an output", xlabel="output", ylabel="MB", yscale="log")
    axes[3].legend()
    shown.savefig(path, dpi=100)


def main(plain_path, packed_path, bound, picture=None):
    bound = float(bound)
    with adios2.FileReader(plain_path) as plain, adios2.FileReader(packed_path) as packed:
        steps = plain.num_steps()
        assert packed.num_steps() == steps, "the runs have different lengths"
        worst = 0
        for name in FIELDS:
            for step in range(steps):
                a, b = field(plain, name, step), field(packed, name, step)
                worst = max(worst, np.abs(a - b).max() / bound)
        before, after = costs(plain, plain_path), costs(packed, packed_path)
        if picture:
            figure(picture, name, a, b, bound, {"plain": before.bytes, "compressed": after.bytes})
    print(f"{steps} outputs, each value compared: error/bound {worst:.6f}")
    print(f"ratio        {before.bytes.sum() / after.bytes.sum():8.2f}")
    for name, run in [("plain", before), ("compressed", after)]:
        share = run.writing / (run.writing + run.computing)
        print(f"{name:<12} {run.bytes.mean() / 1e6:8.2f} MB, {run.computing:.3f} s computing and {run.writing:.3f} s writing an output: {share:.1%} of the run")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
