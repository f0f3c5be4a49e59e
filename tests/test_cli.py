"""The command caesar: its lines work as they stand, and verify misses none of the ways in which a file can go wrong."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import FILTER, ROOT, double_words, run, smooth, tool, user_defined, words, write

CAESAR = ROOT / "target/release/caesar"
SPECS = ["abs=1e-2", "rel=1e-3", "pw_rel=1e-2", "nrmse=1e-3", "psnr=60", "patch_nrmse=1e-3", "lossless", "abs=1e-3,method=interpolation,effort=fast"]


def caesar(*arguments, code=0, env=None):
    return run(CAESAR, *arguments, code=code, env=env).stdout


def verify(*arguments, code=0):
    """What verify says of each data set."""
    lines = caesar("verify", "--json", *arguments, code=code).splitlines()
    return {row["dataset"]: row for row in map(json.loads, lines)}


def test_a_bound_that_is_left_out_is_told():
    for spec, is_told in {"": True, "method=srn-sz": True, "effort=best": True, "lossless": False, "method=lossless": False, "abs = 1": False}.items():
        assert ("no bound is given" in run(CAESAR, "args", spec).stderr) == is_told
    assert "second method" in run(CAESAR, "args", "abs=1,method=auto,method=srn-sz", code=2).stderr


def line(tool, spec, name=None):
    """The line that caesar args prints for a tool: all that follows its title up to the remarks."""
    dataset = ["--dataset", name] if name else []
    section = caesar("args", spec, *dataset).split(f"\n{tool}\n")[1].split("\n\n")[0]
    return "\n".join(text.removeprefix("    ") for text in section.splitlines() if text.startswith("    "))


@pytest.fixture
def plain(tmp_path):
    """Two fields, one of them with gaps, integers and a coordinate, without any filter."""
    path = tmp_path / "in.h5"
    t, u = smooth((6, 30, 40)), smooth((30, 40), ">f8", seed=1)
    t[:, 3:9, 5:9] = np.nan
    with h5py.File(path, "w") as file:
        file["t"], file["group/u"], file["n"] = t, u, np.arange(1200, dtype="i2").reshape(30, 40)
        file["t"].attrs["units"] = "K"
        file["y"] = np.arange(30.0)
        file["y"].make_scale("y")
    return path


@pytest.fixture
def packed(plain):
    """The same, chunked and packed under abs=0.01."""
    path = plain.with_name("out.h5")
    with h5py.File(plain) as file:
        write(path, file["t"][...], double_words(0.01), (4, 16, 16), "t")
        write(path, file["n"][...], double_words(0.01), (30, 40), "n")
        with h5py.File(path, "a") as out:
            out["y"] = file["y"][...]
            out["y"].make_scale("y")
            out.create_group("group")
        write(path, file["group/u"][...], double_words(0.01), (30, 40), "group/u")
    return path


@tool("h5repack")
@pytest.mark.parametrize("spec", SPECS)
def test_the_line_for_h5repack(plain, spec, monkeypatch):
    monkeypatch.chdir(plain.parent)
    run(*shlex.split(line("h5repack", spec)))
    rows = verify("in.h5", "out.h5", spec)
    assert rows["t"]["filters"] == rows["n"]["filters"] == ["caesar"]
    assert rows["t"]["bound"].split("=")[0] == spec.split("=")[0]
    # What the chunks say of their bound is what was asked for.
    assert verify("in.h5", "out.h5")["t"] == rows["t"]


@tool("h5repack")
def test_the_line_for_h5repack_and_one_data_set(plain, monkeypatch):
    monkeypatch.chdir(plain.parent)
    run(*shlex.split(line("h5repack", "abs=0.01", "/group/u")))
    assert verify("in.h5", "out.h5", "--dataset", "group/u")["group/u"]["filters"] == ["caesar"]
    # What was left out is none the worse for it, unless it is asked for.
    assert verify("in.h5", "out.h5")["t"]["notes"] == ["carries no caesar filter, and is bit for bit the same"]
    assert verify("in.h5", "out.h5", "--dataset", "t", code=1)["t"]["faults"] == ["carries no caesar filter"]


@tool("h5repack")
@pytest.mark.parametrize("name", ["a b", "$HOME", 'say "a"'])
def test_lines_for_names_that_mean_something_to_a_shell(plain, name):
    with h5py.File(plain, "a") as file:
        file[name] = smooth((30, 40))
    subprocess.run(line("h5repack", "abs=0.01", name), shell=True, check=True, cwd=plain.parent)
    assert verify(plain, plain.with_name("out.h5"), "--dataset", name)[name]["filters"] == ["caesar"]
    with h5py.File(plain.with_name("py.h5"), "w") as f:
        exec(line("h5py", "abs=0.01", name), {"f": f, "data": np.zeros((3, 4))})
        assert name in f


@tool("nccopy")
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", [None, "t"])
def test_the_line_for_nccopy(tmp_path, spec, name, monkeypatch):
    netCDF4 = pytest.importorskip("netCDF4")
    monkeypatch.chdir(tmp_path)
    with netCDF4.Dataset("in.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("time", None), file.createDimension("x", 500)
        file.createVariable("t", "f4", ("time", "x"))[:] = smooth((12, 500))
        file.createVariable("x", "f8", ("x",))[:] = np.sort(smooth((500,), "f8"))
        file.createVariable("label", "S1", ("x",))[:] = np.array([b"a"] * 500)
    run(*shlex.split(line("nccopy", spec, name)))
    rows = verify("in.nc", "out.nc", spec)
    assert rows["t"]["filters"][-1] == "caesar"
    was_changed = name is None and spec != "lossless"
    assert any("coordinate was changed" in note for note in rows["x"]["notes"]) == was_changed


def test_no_lines_for_a_method_that_is_not_there():
    done = run(CAESAR, "args", "abs=1e-2,method=caesar-d", code=2)
    assert "caesar-d" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("spec", SPECS)
def test_the_line_for_h5py(plain, spec, monkeypatch):
    monkeypatch.chdir(plain.parent)
    with h5py.File("in.h5") as file, h5py.File("out.h5", "w") as f:
        exec(line("h5py", spec, "t"), {"f": f, "data": file["t"][...]})
    assert verify("in.h5", "out.h5", spec, "--dataset", "t")["t"]["filters"] == ["caesar"]


@pytest.mark.parametrize("spec", SPECS)
def test_the_line_for_xarray(plain, spec, monkeypatch):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    monkeypatch.chdir(plain.parent)
    data = smooth((6, 30, 40))
    with h5py.File("in.h5", "w") as file:
        file["t"] = data
    exec(line("xarray (h5netcdf)", spec, "t"), {"ds": xarray.Dataset({"t": (("time", "y", "x"), data)})})
    assert verify("in.h5", "out.nc", spec)["t"]["filters"] == ["caesar"]


def test_numbers_are_those_of_numpy(plain, packed):
    row = verify(plain, packed)["t"]
    with h5py.File(plain) as a, h5py.File(packed) as b:
        x, y = a["t"][...].astype("f8"), b["t"][...].astype("f8")
        stored = b["t"].id.get_storage_size()
    error, spread = np.abs(x - y), np.nanmax(x) - np.nanmin(x)
    nrmse = np.sqrt(np.nanmean(error**2)) / spread
    assert row["max_error"] == np.nanmax(error) and row["error_over_bound"] == np.nanmax(error) / 0.01 <= 1
    assert row["nrmse"] == pytest.approx(nrmse) and row["psnr"] == pytest.approx(-20 * np.log10(nrmse))
    assert row["ratio"] == pytest.approx(x.size * 4 / stored)
    assert (row["type"], row["shape"], row["faults"]) == ("f32", [6, 30, 40], [])


def test_a_tighter_bound_is_broken(plain, packed):
    rows = verify(plain, packed, "abs=1e-3", code=1)
    assert rows["t"]["error_over_bound"] > 1
    assert [row["dataset"] for row in rows.values() if any("bound is broken" in f for f in row["faults"])] == ["group/u", "t"]
    assert verify(plain, packed, "lossless", code=1)["t"]["faults"][0].endswith("differ")


def change(plain, packed, name, edit):
    """Packs a data set anew after `edit`."""
    with h5py.File(plain) as original, h5py.File(packed, "a") as file:
        data = original[name][...]
        del file[name]
    edit(data)
    write(packed, data, double_words(0.01), name=name)


def test_a_lost_nan_is_found(plain, packed):
    change(plain, packed, "t", lambda data: np.copyto(data, 0, where=np.isnan(data)))
    assert verify(plain, packed, code=1)["t"]["faults"] == ["144 values that must stay as they are (NaN, infinite, lossless) differ"]


def test_a_nan_in_place_of_a_number_is_found(plain, packed):
    change(plain, packed, "t", lambda data: data.__setitem__((0, 0, 0), np.nan))
    assert any("bound is broken" in fault for fault in verify(plain, packed, code=1)["t"]["faults"])


def test_a_changed_integer_is_found(plain, packed):
    change(plain, packed, "n", lambda data: data.__setitem__((3, 4), -1))
    assert verify(plain, packed, code=1)["n"]["faults"] == ["1 values differ"]


def test_a_changed_text_is_found(plain, packed):
    for path, letter in [(plain, "b"), (packed, "c")]:
        with h5py.File(path, "a") as file:
            file["letters"], file["words"] = ["a", letter], "a" + 20 * letter
            file["same"] = ["a", "b"]
    rows = verify(plain, packed, code=1)
    assert [name for name, row in rows.items() if row["faults"]] == ["letters", "words"]


def test_a_chunk_stored_without_the_filter_is_named(plain, packed):
    with h5py.File(packed, "a") as file:
        chunk = file["t"][4:6, 16:30, 0:16]
        raw = np.zeros((4, 16, 16), "f4")
        raw[:2, :14] = chunk
        file["t"].id.write_direct_chunk((4, 16, 0), raw.tobytes(), filter_mask=1)
    assert verify(plain, packed, code=1)["t"]["faults"] == ["1 of 12 chunks were stored without the filter: [4, 16, 0]"]
    assert "11 of 4×16×16, stream version 1; 1 stored without the filter" in caesar("inspect", packed, "t")


def test_a_plain_copy_carries_no_filter(plain):
    rows = verify(plain, plain, code=1)
    assert [row["dataset"] for row in rows.values() if row["faults"]] == ["group/u", "t"]


@tool("h5repack")
def test_a_decoded_copy_is_held_against_a_bound_that_is_given(plain, packed, tmp_path):
    run("h5repack", "-f", "NONE", packed, tmp_path / "decoded.h5")
    notes = verify(plain, tmp_path / "decoded.h5", "abs=0.01")["t"]["notes"]
    assert notes == ["carries no caesar filter: taken for a decoded copy"]
    assert any("bound is broken" in fault for fault in verify(plain, tmp_path / "decoded.h5", "abs=1e-3", code=1)["t"]["faults"])
    assert verify(plain, tmp_path / "decoded.h5", code=1)["t"]["faults"] == ["values differ, and no bound is known"]


@pytest.mark.parametrize("a, b", [(["one"], ["two"]), (["x", "one"], ["x", "two"]), (["abc"], ["abcd"]), (["a"] * 5, ["b"] * 5), ("one", "two")])
def test_changed_strings_of_variable_length_are_found(tmp_path, a, b):
    for name, strings in {"a": a, "b": b}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("s", data=strings, dtype=h5py.string_dtype())
    verify(tmp_path / "a.h5", tmp_path / "a.h5")
    different = 1 if isinstance(a, str) else sum(x != y for x, y in zip(a, b))
    assert verify(tmp_path / "a.h5", tmp_path / "b.h5", code=1)["s"]["faults"] == [f"{different} values differ"]


@tool("nccopy")
def test_a_bar_between_variables_is_found_out(tmp_path):
    """nccopy takes "t|u" and does nothing at all, with exit status 0."""
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        file.createDimension("x", 500)
        for name in "tu":
            file.createVariable(name, "f4", ("x",))[:] = smooth((500,))
    run("nccopy", "-F", f"t|u,{FILTER},0.01d", tmp_path / "in.nc", tmp_path / "out.nc")
    rows = verify(tmp_path / "in.nc", tmp_path / "out.nc", code=1)
    assert rows["t"]["faults"] == rows["u"]["faults"] == ["carries no caesar filter, like all of this file: see caesar doctor"]


def test_shuffle_in_front_is_pointed_out(plain):
    with h5py.File(plain) as file, h5py.File(plain.with_name("out.h5"), "w") as out:
        out.create_dataset("t", data=file["t"][...], chunks=(6, 30, 40), shuffle=True, compression=FILTER, compression_opts=double_words(0.01))
    row = verify(plain, plain.with_name("out.h5"), "--dataset", "t")["t"]
    assert "shuffle comes before caesar" in row["notes"][0] and row["max_error"] == 0


def test_what_is_missing_or_another_thing(plain, packed):
    with h5py.File(packed, "a") as file:
        del file["t"], file["n"], file["group/u"]
        file["n"] = np.zeros((30, 40), "i4")
        file["group/u"] = np.zeros((30, 41))
    rows = verify(plain, packed, code=1)
    assert rows["t"]["faults"] == ["missing in the copy"]
    assert rows["n"]["faults"] == ["is i32 in the copy"]
    assert rows["group/u"]["faults"] == ["has the shape 30×41 in the copy"]


def test_a_damaged_chunk_is_a_fault_of_its_data_set(plain, packed):
    with h5py.File(packed, "a") as file:
        _, stream = file["t"].id.read_direct_chunk((0, 0, 0))
        file["t"].id.write_direct_chunk((0, 0, 0), stream[:-3])
    rows = verify(plain, packed, code=1)
    assert "stream" in rows["t"]["faults"][0] and rows["group/u"]["faults"] == []
    assert "t: cannot be read: " in caesar("inspect", packed, "t", code=1)
    assert "group/u  f64" in caesar("inspect", packed, code=1)


def test_what_is_left_of_a_file_is_no_success(packed, tmp_path):
    whole = packed.read_bytes()
    for name, left in {"cut": whole[: len(whole) // 2], "zeroed": whole[:96] + bytes(4000) + whole[4096:]}.items():
        (tmp_path / name).write_bytes(left)
        said = run(CAESAR, "inspect", tmp_path / name, code=2).stderr
        assert len(said.splitlines()) == 1 and not any(said.count(words) > 1 for words in said.split(": ")[1:]), said
        run(CAESAR, "verify", tmp_path / name, packed, code=2)


def test_a_relative_bound_holds_chunk_by_chunk(tmp_path):
    """A chunk of small values, and edge chunks."""
    data = smooth((20, 30))
    data[:16, :16] *= 1e-3
    for fill in [0, -1e4, 9.969209968386869e36]:
        write(tmp_path / f"{fill}.h5", data, words("rel", 1e-2), (16, 16), fillvalue=fill)
        with h5py.File(tmp_path / "plain.h5", "w") as file:
            file["v"] = data
        verify(tmp_path / "plain.h5", tmp_path / f"{fill}.h5", "rel=1e-2")
    # The same errors against a quarter of the range are too much in the first chunk at least.
    assert verify(tmp_path / "plain.h5", tmp_path / "0.h5", "rel=1e-3", code=1)["v"]["error_over_bound"] > 1


@pytest.mark.parametrize("bound", ["rel=1e-2", "nrmse=1e-3", "psnr=60", "patch_nrmse=1e-2"])
def test_padding_makes_no_range_wider(tmp_path, bound):
    """Of an edge chunk only the values within the data set count, whatever lies beyond."""
    data = 273 + smooth((20, 30)) / 10
    off = data.copy()
    off[16:] += 0.2
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["v"] = data
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file.create_dataset("v", data=off, chunks=(16, 16))
    row = verify(tmp_path / "in.h5", tmp_path / "out.h5", bound, code=1)["v"]
    assert any("bound is broken" in fault for fault in row["faults"])


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
def test_a_declared_fill_value_that_was_changed_is_a_fault(tmp_path, name, kind):
    """However small the change: the value is no longer masked."""
    netCDF4 = pytest.importorskip("netCDF4")
    data = 30 + smooth((20, 30))
    data[3, 4:9] = -1
    for path, values, format in [("in.nc", data, kind), ("out.nc", np.where(data == -1, data + np.float32(1e-3), data), "NETCDF4")]:
        with netCDF4.Dataset(tmp_path / path, "w", format=format) as file:
            file.createDimension("y", 20), file.createDimension("x", 30)
            v = file.createVariable("v", "f4", ("y", "x"), fill_value=-1 if name == "_FillValue" else None)
            if name == "missing_value":
                v.missing_value = -1.0
            v.set_auto_mask(False)
            v[:] = values
    row = verify(tmp_path / "in.nc", tmp_path / "out.nc", "abs=0.01", code=1)["v"]
    assert any(fault.startswith("5 values equal to the declared fill value were changed") for fault in row["faults"])


def test_a_fill_of_the_copy_alone_may_differ_within_the_bound(tmp_path):
    """A stream that was made of values already changed takes for a fill what was an ordinary value before."""
    data = smooth((20, 30))
    data[5:15, 10:20] = np.nextafter(np.float32(-1e3), 0)
    data[0, 0] = -1e3
    changed = np.where(data < -999, np.float32(-1e3), data)
    changed[0, 0] = np.nextafter(np.float32(-1e3), 0)
    write(tmp_path / "out.h5", changed, double_words(0.01))
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["v"] = data
    verify(tmp_path / "in.h5", tmp_path / "out.h5")


def test_chunks_never_written_hold_the_fill_value(tmp_path):
    for name in ["in.h5", "out.h5"]:
        with h5py.File(tmp_path / name, "w") as file:
            options = {"chunks": (10, 10), "compression": FILTER, "compression_opts": double_words(0.01)} if name == "out.h5" else {}
            file.create_dataset("v", (30, 30), "f4", fillvalue=-5, **options)[:10, :10] = smooth((10, 10))
    row = verify(tmp_path / "in.h5", tmp_path / "out.h5")["v"]
    assert row["faults"] == [] and row["ratio"] < 30
    assert "; 8 never written" in caesar("inspect", tmp_path / "out.h5")


def test_inspect_counts_chunks_never_written_without_walking_over_them(tmp_path):
    with h5py.File(tmp_path / "out.h5", "w") as file:
        data = file.create_dataset("v", (2**30, 2**20), "f4", chunks=(16, 64), compression=FILTER, compression_opts=double_words(0.01))
        data[:16, :64] = smooth((16, 64))
    assert f"; {2**40 - 1} never written" in caesar("inspect", tmp_path / "out.h5")


@pytest.mark.parametrize("filters", [["deflate", "caesar"], ["caesar", "deflate"], ["caesar", "caesar"], ["fletcher32", "caesar"]])
def test_inspect_sees_through_other_filters(tmp_path, filters):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((30, 40))
    for name in filters:
        {"deflate": lambda: plist.set_deflate(4), "fletcher32": plist.set_fletcher32}.get(name, lambda: plist.set_filter(FILTER, 0, double_words(0.01)))()
    with h5py.File(tmp_path / "out.h5", "w") as file:
        space = h5py.h5s.create_simple((60, 40))
        h5py.Dataset(h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_FLOAT, space, plist))[...] = smooth((60, 40))
        file.create_dataset("words", data=["a", "b"], dtype=h5py.string_dtype(), chunks=(2,), compression=FILTER)
        file.create_dataset("none", (0, 40), "f4", chunks=(30, 40), maxshape=(None, 40), compression=FILTER)
    said = caesar("inspect", tmp_path / "out.h5")
    assert "2 of 30×40, stream version" in said and f"filters   {', then '.join(filters)}" in said and "abs=1e-2 asked" in said
    assert "words: strings of variable length" in said and "chunks    0 of 30×40\n" in said


def test_inspect_tells_methods_and_bounds(packed):
    said = caesar("inspect", packed)
    assert "abs=1e-2 asked" in said and "methods" in said and "without caesar filter: y" in said
    tiles = caesar("inspect", packed, "t", "--verbose").splitlines()
    assert sum(line.startswith(("0,", "4,")) for line in tiles) >= 12


def test_doctor_finds_everything_in_order():
    said = caesar("doctor", env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    assert "libh5zcaesar.so" in said and "h5py version" in said and "method caesar-v" in said
    if shutil.which("h5repack"):
        assert "h5repack version" in said


def test_doctor_says_what_to_type(tmp_path):
    said = caesar("doctor", code=1, env={"HDF5_PLUGIN_PATH": str(tmp_path)})
    assert f"export HDF5_PLUGIN_PATH={ROOT / 'target/release/plugin'}" in said


@pytest.mark.parametrize(
    "arguments", [["verify", "nowhere.h5", "nowhere.h5"], ["verify", __file__, __file__], ["args", "abs=one"], ["inspect", __file__], []]
)
def test_what_cannot_be_done_exits_with_2(arguments):
    assert "Traceback" not in run(CAESAR, *arguments, code=2).stderr


def test_a_full_disk_is_told_in_a_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([CAESAR, "args", "abs=0.01"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_files_of_other_kinds_are_told_apart(tmp_path):
    (tmp_path / "text").write_text("no HDF5\n" * 100)
    assert "neither HDF5 nor netCDF" in run(CAESAR, "inspect", tmp_path / "text", code=2).stderr
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "classic.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 500)
        file.createVariable("t", "f4", ("x",))[:] = smooth((500,))
    assert "nccopy -k nc4" in run(CAESAR, "inspect", tmp_path / "classic.nc", code=2).stderr


def test_a_data_set_may_follow_its_file(plain, packed):
    for arguments in [[f"{plain}:t", packed], [plain, f"{packed}:/t"]]:
        assert list(verify(*arguments)) == ["t"]
    assert caesar("inspect", f"{packed}:group/u").startswith("group/u  f64")


def test_doctor_goes_on(tmp_path):
    said = caesar("doctor", env={"TMPDIR": str(tmp_path / "none"), "CAESAR_NUM_THREADS": "many"})
    assert "not tried" in said and "CAESAR_NUM_THREADS is no number" in said and "method auto" in said


def test_a_reader_that_has_seen_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([CAESAR, "args", "abs=0.01"], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == "" and done.returncode == -signal.SIGPIPE
