"""Blocks of every shape, type and content, through every engine."""

import numpy as np
import pytest
from conftest import ENGINES, Mode, error, read, smooth, stored, write, write_one

SHAPES = [(1,), (7,), (4099,), (1, 1), (3, 5), (1, 1, 1), (33, 1, 17), (5, 3, 2), (2, 3, 4, 5), (2, 1, 2, 3, 4, 1, 3), (150, 130, 70)]
REAL = ["f4", "f8"]
COMPLEX = ["c8", "c16"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", REAL + COMPLEX)
def test_shapes_and_types(tmp_path, engine, dtype):
    fields = {f"v{n}": smooth(shape, dtype) for n, shape in enumerate(SHAPES)}
    write(tmp_path / "a.bp", [{name: [([0] * a.ndim, a)] for name, a in fields.items()}], {"abs": "1e-3"}, engine)
    for name, field in fields.items():
        assert error(field, read(tmp_path / "a.bp", name)) <= 1e-3, field.shape


@pytest.mark.parametrize("engine", ENGINES)
def test_bounds(tmp_path, engine):
    field = smooth((24, 40, 50))
    for name, parameters in {
        "abs": {"abs": "1e-2"},
        "accuracy": {"Accuracy": "1e-2"},
        "tolerance": {"tolerance": "1e-2", "mode": "ABS"},
        "rel": {"accuracy": "1e-3", "mode": "rel"},
        "method": {"abs": "1e-2", "method": "interpolation", "effort": "fast"},
    }.items():
        path = tmp_path / f"{name}.bp"
        write_one(path, field, parameters, engine)
        bound = 1e-2 if name != "rel" else 1e-3 * np.ptp(field)
        used = error(field, read(path)) / bound
        assert 0.5 < used <= 1, f"{parameters}: {used}"
        assert stored(path) < field.nbytes / 8
    write_one(tmp_path / "lossless.bp", field, {}, engine)
    assert error(field, read(tmp_path / "lossless.bp")) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", REAL + COMPLEX)
def test_any_values(tmp_path, engine, dtype):
    """What cannot be bounded is stored as it is: writing never fails."""
    rng = np.random.default_rng(3)
    real = f"f{np.dtype(dtype).itemsize // (2 if dtype in COMPLEX else 1)}"
    info = np.finfo(real)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, info.tiny / 8, info.max, -info.max, 9.96921e36, 1], real)
    fields = {
        "special": rng.choice(special, (6, 20, 30)),
        "mixed": np.where(rng.random((9, 30, 40)) < 0.1, rng.choice(special, (9, 30, 40)), smooth((9, 30, 40), real)),
        "constant": np.full((8, 8, 8), 3.5, real),
        "nothing but NaN": np.full((5, 5), np.nan, real),
        "bits": np.frombuffer(rng.bytes(30 * 40 * 50 * np.dtype(real).itemsize), real).reshape(30, 40, 50),
        "noise": rng.standard_normal((20, 30, 40)).astype(real),
    }
    fields = {name: np.ascontiguousarray(field.astype(real)).view(dtype) for name, field in fields.items() if field.shape[-1] % 2 == 0 or dtype in REAL}
    for parameters in [{"abs": "1e-3"}, {"pw_rel": "1e-3"}, {"nrmse": "1e-6"}, {}]:
        write(tmp_path / "a.bp", [{name: [([0] * a.ndim, a)] for name, a in fields.items()}], parameters, engine)
        for name, field in fields.items():
            copy = read(tmp_path / "a.bp", name)
            if "abs" in parameters:
                assert error(field, copy) <= 1e-3, name
            elif parameters == {}:
                assert copy.tobytes() == field.tobytes(), name
            else:
                error(field, copy)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", [Mode.Sync, Mode.Deferred])
def test_many_blocks_puts_and_steps(tmp_path, engine, mode):
    """Bricks as ranks have them, one of them odd, several Puts of several variables a step."""
    steps = []
    for step in range(5):
        whole = {"u": smooth((40, 30, 21), seed=step), "v": smooth((40, 30, 21), "f4", seed=step + 9)}
        cuts = [(slice(z, z + dz), slice(y, y + 15), slice(0, 21)) for z, dz in [(0, 13), (13, 27)] for y in (0, 15)]
        steps.append((whole, {name: [([s.start for s in cut], a[cut]) for cut in cuts] for name, a in whole.items()}))
    write(tmp_path / "a.bp", [blocks for _, blocks in steps], {"abs": "1e-3"}, engine, mode)
    for step, (whole, blocks) in enumerate(steps):
        for name, field in whole.items():
            assert error(field, read(tmp_path / "a.bp", name, step)) <= 1e-3
            part = read(tmp_path / "a.bp", name, step, start=[5, 10, 3], count=[20, 12, 7])
            assert error(field[5:25, 10:22, 3:10], part) <= 1e-3
    assert stored(tmp_path / "a.bp") < 5 * 40 * 30 * 21 * 12 / 3


@pytest.mark.parametrize("engine", ENGINES)
def test_local_and_empty_blocks(tmp_path, engine):
    local, whole, none = [smooth((4, 5)), smooth((3, 7))], smooth((6, 8)), np.zeros((0, 8))
    step = {"local": [(None, array) for array in local], "hole": [((0, 0), none), ((0, 0), whole), ((6, 0), none)], "empty": [((0, 0), none)]}
    write(tmp_path / "a.bp", [step] * 3, {"abs": "1e-3"}, engine)
    for n in range(3):
        for block, array in enumerate(local):
            assert error(array, read(tmp_path / "a.bp", "local", n, block)) <= 1e-3
        assert error(whole, read(tmp_path / "a.bp", "hole", n)) <= 1e-3
        assert read(tmp_path / "a.bp", "empty", n).shape == (0, 8)


def test_fortran_order_is_found_out(tmp_path):
    """Fortran programs give extents fastest first; the block is as small as that of a C program."""
    field = smooth((20, 45, 100))
    write_one(tmp_path / "c.bp", field, {"abs": "1e-2"})
    write_one(tmp_path / "fortran.bp", field.reshape(100, 45, 20), {"abs": "1e-2"})
    assert stored(tmp_path / "fortran.bp") == stored(tmp_path / "c.bp")
    assert error(field.reshape(100, 45, 20), read(tmp_path / "fortran.bp")) <= 1e-2


# BP5 itself refuses a second Put of a single value that has an operator.
@pytest.mark.parametrize("engine,steps", [("BP5", 1), ("BP4", 3)])
def test_single_values(tmp_path, engine, steps):
    write(tmp_path / "a.bp", [{"v": [(None, np.array(2.5))]}] * steps, {"abs": "1e-3"}, engine)
    for step in range(steps):
        assert abs(read(tmp_path / "a.bp", step=step) - 2.5) <= 1e-3


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_other_types_are_written_plainly(tmp_path, dtype):
    field = np.arange(60).reshape(3, 4, 5).astype(dtype)
    write_one(tmp_path / "a.bp", field, {"abs": "1e-3"})
    assert read(tmp_path / "a.bp").tobytes() == field.tobytes()
    assert b"CaesarOperator" not in (tmp_path / "a.bp/data.0").read_bytes()
