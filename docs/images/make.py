"""Draws docs/images/field.png: a public-domain field before compression, after it, and its error against the bound.

    HDF5_PLUGIN_PATH=target/release/plugin python docs/images/make.py

Needs h5py, netCDF4, matplotlib and Pillow, and the data that `cargo xtask demo` downloads: the Levitus climatology of ocean
temperature, NOAA, public domain.
"""

import io
import struct
import tempfile
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "target/demo/usr/share/ferret-vis/data/levitus_climatology.cdf"
PICTURE = ROOT / "docs/images/field.png"
FILTER, RELATIVE = 40044, 2
BOUND = 1e-3
LAND = "0.85"
COLOURS = 128


def compressed(field):
    """The field as it comes back from a file, and the compression ratio."""
    words = (RELATIVE, *struct.unpack("<2I", struct.pack("<d", BOUND)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "field.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset("field", data=field, chunks=field.shape, compression=FILTER, compression_opts=words)
        with h5py.File(path) as file:
            return file["field"][...], field.nbytes / file["field"].id.get_storage_size()


def panel(axes, values, title, label, **style):
    axes.set_title(title, fontsize=9)
    axes.set_facecolor(LAND)
    axes.set_xticks([]), axes.set_yticks([])
    image = axes.imshow(values, origin="lower", interpolation="nearest", **style)
    bar = axes.figure.colorbar(image, ax=axes, orientation="horizontal", fraction=0.05, pad=0.04, aspect=40)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def main():
    with netCDF4.Dataset(DATA) as file:
        file.set_auto_mask(False)
        field, fill = file["TEMP"][...], file["TEMP"]._FillValue
    decoded, ratio = compressed(field)
    sea = field != fill
    assert (decoded[~sea] == fill).all(), "land must come back as it was"
    error = (decoded.astype("f8") - field) / (BOUND * (field[sea].max() - field[sea].min()))
    assert np.abs(error[sea]).max() <= 1, "the bound is broken"

    surface = lambda values: np.where(sea[0], values[0], np.nan)  # noqa: E731
    figure, axes = plt.subplots(1, 3, figsize=(12, 2.75), dpi=100, layout="constrained")
    panel(axes[0], surface(field), "ocean surface temperature", "°C", cmap="viridis")
    panel(axes[1], surface(decoded), f"after rel=1e-3: {ratio:.0f} times smaller", "°C", cmap="viridis")
    panel(axes[2], surface(error), f"error / bound, at most {np.abs(error[sea]).max():.4f}", "of the bound", cmap="RdBu_r", vmin=-1, vmax=1)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    # Few colours make the error map, which is noise, small enough to ship.
    Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
