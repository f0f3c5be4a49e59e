"""What stands in a simulation's XML or YAML, right and wrong."""

import pytest
from conftest import NAMES, adios2, error, python, read, smooth, stored, write_one

XML = """<?xml version="1.0"?>
<adios-config>
  <operator name="caesar" type="plugin">%s</operator>
  <io name="writer"><engine type="BP5"/><variable name="v"><operation operator="caesar"/></variable></io>
</adios-config>"""
XML_OF_A_VARIABLE = """<?xml version="1.0"?>
<adios-config>
  <io name="writer"><engine type="BP5"/><variable name="v"><operation type="plugin">%s</operation></variable></io>
</adios-config>"""

# A simulation: it knows the name of its XML or YAML file and nothing of operators.
SIMULATION = """
import sys
from conftest import Mode, adios2, smooth
io = adios2.Adios(sys.argv[1]).declare_io("writer")
field = smooth((24, 40, 50))
variable = io.define_variable("v", field, field.shape, [0, 0, 0], field.shape)
with io.open(sys.argv[2], Mode.Write) as writer:
    for step in range(3):
        writer.begin_step()
        writer.put(variable, field, Mode.Sync)
        writer.end_step()
"""


def xml(template=XML, **parameters):
    return template % "".join(f'<parameter key="{key}" value="{value}"/>' for key, value in {**NAMES, **parameters}.items())


def yaml(**parameters):
    lines = "".join(f"\n        {key}: {value}" for key, value in {**NAMES, **parameters}.items())
    return f"---\n- IO: writer\n  Engine:\n    Type: BP5\n  Variables:\n    - Variable: v\n      Operations:\n      - Type: plugin{lines}\n"


FILES = [(xml(Accuracy="1e-3"), "xml"), (xml(XML_OF_A_VARIABLE, abs="1e-3"), "xml"), (yaml(abs="1e-3"), "yaml")]


@pytest.mark.parametrize("text,suffix", FILES)
def test_a_file_is_all_it_takes(tmp_path, text, suffix):
    (tmp_path / f"config.{suffix}").write_text(text)
    done = python(SIMULATION, tmp_path / f"config.{suffix}", tmp_path / "a.bp")
    assert done.stderr == ""
    field = smooth((24, 40, 50))
    assert 0 < error(field, read(tmp_path / "a.bp", step=2)) <= 1e-3
    assert stored(tmp_path / "a.bp") < 3 * field.nbytes / 4


WRONG = [
    ({"abs": "tiny"}, '"abs"'),
    ({"accuracy": "-1"}, '"accuracy"'),
    ({"mode": "rel"}, '"mode"'),
    ({"abs": "1", "rel": "1"}, '"rel"'),
    ({"abs": "1", "method": "zfp"}, '"method"'),
    ({"effort": "most"}, '"effort"'),
]


@pytest.mark.parametrize("parameters,name", WRONG)
def test_wrong_values_fail_where_the_operator_is_defined(tmp_path, parameters, name):
    (tmp_path / "config.xml").write_text(xml(**parameters))
    with pytest.raises(RuntimeError, match=name):
        adios2.Adios().define_operator("caesar", "plugin", {**NAMES, **parameters})
    with pytest.raises(RuntimeError, match=name):
        adios2.Adios(str(tmp_path / "config.xml"))


@pytest.mark.parametrize("text,suffix", [(xml(XML_OF_A_VARIABLE, abs="tiny"), "xml"), (yaml(abs="tiny"), "yaml")])
def test_wrong_values_with_a_variable_end_the_program_before_its_first_step(tmp_path, text, suffix):
    """ADIOS2 lets no exception out of the definition of a variable: it ends the program and shows the message."""
    (tmp_path / f"config.{suffix}").write_text(text)
    done = python(SIMULATION, tmp_path / f"config.{suffix}", tmp_path / "a.bp", code=-6)
    assert '"abs"' in done.stderr and "CaesarOperator" in done.stderr
    assert not (tmp_path / "a.bp").exists()


def test_an_unknown_key_warns_once_and_all_is_lossless(tmp_path):
    (tmp_path / "config.xml").write_text(xml(abs="1e-3", Precision="12"))
    done = python(SIMULATION, tmp_path / "config.xml", tmp_path / "a.bp")
    assert done.stderr.count("\n") == 1 and '"precision"' in done.stderr and "losslessly" in done.stderr
    assert error(smooth((24, 40, 50)), read(tmp_path / "a.bp", step=2)) == 0


def test_every_unknown_key_is_told_once():
    done = python("""
from conftest import NAMES, adios2
for key in ["precision", "level", "precision"]:
    adios2.Adios().define_operator("caesar", "plugin", {**NAMES, key: "12"})
""")
    assert [line.split('"')[1] for line in done.stderr.splitlines()] == ["precision", "level"]


def test_values_do_not_depend_on_the_number_of_threads(tmp_path):
    field = smooth((70, 200, 160))
    write_one(tmp_path / "a.bp", field, {"abs": "1e-3", "effort": "fast"})
    expected = read(tmp_path / "a.bp").tobytes()
    script = "import sys; from conftest import *; write_one(sys.argv[1], smooth((70, 200, 160)), {'abs': '1e-3', 'effort': 'fast'})"
    for threads in ["1", "7", "many"]:
        path = tmp_path / f"{threads}.bp"
        python(script, path, env={"CAESAR_NUM_THREADS": threads})
        assert read(path).tobytes() == expected
        assert stored(path) == stored(tmp_path / "a.bp")
