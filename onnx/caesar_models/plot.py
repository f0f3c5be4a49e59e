"""Draws learning curves. Needs matplotlib.

    python -m caesar_models.plot curves.svg CURVE.csv ...
"""

import csv
import pathlib
import sys

import matplotlib.pyplot as plt

SHOWN = "db_8x8_gain4", "db_16x16_gain4", "db_32x32_gain4"


def main():
    target, *paths = map(pathlib.Path, sys.argv[1:])
    figure, panels = plt.subplots(1, len(paths), figsize=(3.2 * len(paths), 3), sharey=True, layout="constrained", squeeze=False)
    for panel, path in zip(panels[0], paths):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        for name in SHOWN:
            panel.plot([float(r["minutes"]) for r in rows], [float(r[name]) for r in rows], label=name.split("_")[1])
        panel.set(title=path.stem, xlabel="minutes of training", xscale="log")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("change of the mean square error, dB")
    panels[0][0].legend(title="blocks")
    figure.savefig(target)


if __name__ == "__main__":
    main()
