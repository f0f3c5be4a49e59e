"""Writing and reading through h5py: element types, shapes, chunks, bounds."""

import h5py
import numpy as np
import pytest
from conftest import FILTER, applied, assert_within, cd_values, double_words, read, smooth, words, write

BOUNDS = [("abs", 1e-2), ("abs", 1e-6), ("rel", 1e-3), ("pw_rel", 1e-3), ("nrmse", 1e-4), ("psnr", 70.0), ("patch_nrmse", 1e-3), ("patch_psnr", 60.0), ("lossless", 0.0)]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("mode, bound", BOUNDS)
def test_floats_keep_their_bound(tmp_path, dtype, mode, bound):
    data = smooth((9, 40, 50), dtype)
    write(tmp_path / "a.h5", data, words(mode, bound))
    stored, plain = applied(tmp_path / "a.h5", "v")
    assert stored < plain
    assert_within(data, read(tmp_path / "a.h5"), mode, bound)


@pytest.mark.parametrize("method", ["auto", "caesar-v", "srn-sz", "interpolation", "lossless"])
@pytest.mark.parametrize("effort", [0, 1, 2])
def test_methods_keep_the_bound(tmp_path, method, effort):
    data = smooth((8, 64, 64))
    write(tmp_path / "a.h5", data, words("abs", 1e-3, method, effort))
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-3)


@pytest.mark.parametrize("target", [7e-4, 3e-4, 1e-4])
def test_a_mean_target_is_used_up(tmp_path, target):
    # Below the noise of the field: where few latents are left, the error follows the step by chance.
    data = smooth((8, 96, 120))
    write(tmp_path / "a.h5", data, words("nrmse", target, "caesar-v"))
    error = np.sqrt(np.mean((read(tmp_path / "a.h5") - data.astype("f8")) ** 2)) / np.ptp(data)
    assert 0.995 * target < error <= target


@pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (3, 100), (1, 1, 1), (5, 1, 9), (2, 3, 4, 5), (1, 2, 1, 3, 1, 2), (2,) * 10])
def test_any_shape(tmp_path, shape):
    data = smooth(shape, "f8")
    write(tmp_path / "a.h5", data, words("abs", 1e-3))
    applied(tmp_path / "a.h5", "v")
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-3)


COMPOUND = np.dtype([("name", "S5"), ("x", "<f4"), ("n", ">i2")])
OTHERS = {
    **{f"{order}{kind}": np.arange(-50, 50).reshape(4, 25).astype(order + kind) for order in "<>" for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]},
    "half": smooth((10, 10), "f2"),
    "long double": smooth((10, 10), "g"),
    "bool": np.arange(100).reshape(10, 10) % 3 == 0,
    "strings": np.array([b"one", b"three", b""] * 9).reshape(9, 3),
    "complex": (smooth((6, 7), "f8") + 1j).astype("c16"),
    "compound": np.array([(b"a", 1.5, 2), (b"bcd", np.nan, -3)] * 8, COMPOUND).reshape(4, 4),
    "opaque": np.frombuffer(bytes(range(240)), "V10").reshape(4, 6),
}


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_is_lossless_under_any_bound(tmp_path, name):
    data = OTHERS[name]
    write(tmp_path / "a.h5", data, words("abs", 10.0))
    applied(tmp_path / "a.h5", "v")
    assert read(tmp_path / "a.h5").tobytes() == data.tobytes()


def test_user_forms_of_one_and_two_words(tmp_path):
    data = smooth((30, 40), "f8")
    for name, form in {"none": (), "float": (int(np.float32(0.01).view("u4")),), "double": double_words(0.01)}.items():
        write(tmp_path / "a.h5", data, form, name=name)
        copy = read(tmp_path / "a.h5", name)
        assert_within(data, copy, *(("lossless",) if name == "none" else ("abs", float(np.float32(0.01)))))


def test_the_file_keeps_options_type_and_chunk(tmp_path):
    """The example of docs/cd-values.md, and one without a fill value."""
    form = words("rel", 1e-3, "caesar-v")
    write(tmp_path / "a.h5", smooth((8, 256, 256), ">f8"), form, fillvalue=-999)
    assert cd_values(tmp_path / "a.h5", "v") == (0x0CAE0001, *form, 0x30180, 8, 0, 0xC08F3800, 8, 256, 256)
    write(tmp_path / "a.h5", smooth((9, 40), "<f4"), form, name="w", chunks=(8, 32))
    assert cd_values(tmp_path / "a.h5", "w") == (0x0CAE0001, *form, 0x20000, 4, 8, 32)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_declared_fill_values_are_kept_wherever_they_are(tmp_path, dtype):
    data = smooth((20, 30), dtype)
    data[::3, ::7] = 5.5
    write(tmp_path / "a.h5", data, words("abs", 0.5), fillvalue=5.5)
    copy = read(tmp_path / "a.h5")
    assert_within(data, copy, "abs", 0.5)
    assert (copy[data == 5.5] == 5.5).all()


@pytest.mark.parametrize("fill", [9.969209968386869e36, 1e30, np.nan, -9999.0, 0.0])
def test_edge_chunks_padded_with_fill_values(tmp_path, fill):
    data = smooth((11, 45, 61))
    data[:, :10, :10] = fill
    write(tmp_path / "a.h5", data, words("abs", 1e-3), chunks=(8, 32, 32), fillvalue=fill)
    stored, plain = applied(tmp_path / "a.h5", "v")
    assert stored < plain / 2
    copy = read(tmp_path / "a.h5")
    assert_within(data, copy, "abs", 1e-3)
    assert copy[:, :10, :10].tobytes() == data[:, :10, :10].tobytes()


@pytest.mark.parametrize("mode, bound", BOUNDS)
@pytest.mark.parametrize("shape, chunk", [((100, 150), (99, 149)), ((3, 70, 90), (2, 64, 64)), ((25, 20, 30), (24, 20, 30))])
def test_padding_of_edge_chunks_does_not_count(tmp_path, shape, chunk, mode, bound):
    """HDF5 fills what a chunk has beyond the end of its data set; each chunk keeps its bound over what is there."""
    data = 273 + 0.05 * smooth(shape)
    write(tmp_path / "a.h5", data, words(mode, bound), chunks=chunk)
    copy = read(tmp_path / "a.h5")
    for corner in np.ndindex(*(-(-n // c) for n, c in zip(shape, chunk))):
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(corner, chunk))
        assert_within(data[box], copy[box], mode, bound)


def test_a_data_set_grows_into_padding(tmp_path):
    data = smooth((5, 40, 50)) + 100
    with h5py.File(tmp_path / "a.h5", "w") as file:
        grows = file.create_dataset("v", data=data, maxshape=(None, 40, 50), chunks=(8, 40, 50), compression=FILTER, compression_opts=words("rel", 1e-2))
        file.flush()
        grows.resize(8, axis=0)
    copy = read(tmp_path / "a.h5")
    assert_within(data, copy[:5], "rel", 1e-2)
    assert not copy[5:].any()


SPECIALS = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.2e-38, 3.4e38, -3.4e38, 9.96921e36, 1e20, -1e30])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("mode, bound", [*BOUNDS, ("abs", 0.0), ("abs", 1e300), ("rel", 0.0), ("psnr", 0.0), ("abs", 5e-324)])
def test_no_data_is_refused(tmp_path, dtype, mode, bound):
    rng = np.random.default_rng(1)
    bits = np.frombuffer(rng.bytes(4096), "u1").view(dtype)
    with np.errstate(all="ignore"):
        mixed = smooth((20, 30), dtype)
        mixed.flat[: 3 * len(SPECIALS)] = np.repeat(SPECIALS, 3).astype(dtype)
        fields = {"bits": bits, "mixed": mixed, "constant": np.full((5, 6), 7.25, dtype), "zero": np.zeros(9, dtype),
                  "nan": np.full(9, np.nan, dtype), "one": np.array([3.5], dtype)}
        for name, data in fields.items():
            write(tmp_path / "a.h5", data, words(mode, bound), name=name)
            stored, plain = applied(tmp_path / "a.h5", name)
            assert stored <= plain * 1.01 + 512
            copy = read(tmp_path / "a.h5", name)
            if mode in ("abs", "pw_rel", "lossless"):
                assert_within(data, copy, mode, bound)
            else:
                assert (np.isnan(data) == np.isnan(copy)).all()


def test_many_small_chunks(tmp_path):
    data = smooth((60, 60))
    write(tmp_path / "a.h5", data, words("abs", 1e-2), chunks=(2, 3))
    applied(tmp_path / "a.h5", "v")
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-2)


@pytest.mark.parametrize("flag", [h5py.h5z.FLAG_OPTIONAL, h5py.h5z.FLAG_MANDATORY])
def test_optional_and_mandatory(tmp_path, flag):
    data = np.frombuffer(np.random.default_rng(2).bytes(80000), "f8")
    write(tmp_path / "a.h5", data, words("abs", 1e-3), flag=flag)
    applied(tmp_path / "a.h5", "v")
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-3)


@pytest.mark.parametrize("form, offender", [
    ((9, 0, 0), "mode 9"), (words("abs", -1.0)[:3], "abs=-1"), (words("abs", np.inf)[:3], "abs=inf"), ((1, 0, 0, 7), "method 7"),
    (words("abs", 1.0, "caesar-d"), "caesar-d"), (words("abs", 1.0, "ae-sz"), "ae-sz"), ((1, 0, 0, 0, 3), "effort 3"), ((1, 0, 0, 0, 0, 0), "6 cd_values"), ((1,) * 33, "33 cd_values"),
    ((0x0CAE0002, *words("abs", 1.0), 0x10000, 4, 9), "newer"), ((0x0CAE0001, *words("abs", 1.0), 0x10009, 4, 9), "kind 9"),
])
def test_wrong_cd_values_are_named(tmp_path, form, offender):
    with pytest.raises(ValueError, match=offender):
        write(tmp_path / "a.h5", smooth((4, 5)), form)


def test_high_level_interface(tmp_path):
    data = smooth((10, 20, 30))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=data, chunks=(5, 20, 30), compression=FILTER, compression_opts=double_words(1e-2), fletcher32=True)
    applied(tmp_path / "a.h5", "v")
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-2)


@pytest.mark.parametrize("shuffle, scale", [(True, None), (False, 3)])
def test_behind_another_filter_bytes_are_kept(tmp_path, shuffle, scale):
    data = np.round(smooth((30, 40)), 2) if scale else smooth((30, 40))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", data=data, chunks=(16, 16), shuffle=shuffle, scaleoffset=scale, compression=FILTER, compression_opts=words("abs", 1.0))
        file.create_dataset("reference", data=data, chunks=(16, 16), scaleoffset=scale)
    applied(tmp_path / "a.h5", "v")
    assert read(tmp_path / "a.h5").tobytes() == read(tmp_path / "a.h5", "reference").tobytes()
