//! A simulation that writes through ADIOS2, once plainly and once, by another XML file, compressed.

use crate::{build, setup, step};
use anyhow::Result;
use xshell::{Shell, cmd};

const EDGE: &str = "128";
const STEPS: &str = "400";

pub fn run(sh: &Shell) -> Result<()> {
    setup::tools(sh, setup::CMAKE)?;
    let adios2 = setup::adios2(sh)?;
    let here = sh.current_dir().join("adios-operator/gray-scott");
    let folder = sh.current_dir().join("target/demo/in-situ");
    step("simulation", || {
        let where_it_is = "import adios2, pathlib; print(pathlib.Path(adios2.__file__).parent / 'cmake/adios2')";
        let config = cmd!(sh, "{adios2}/bin/python -c {where_it_is}").quiet().read()?;
        cmd!(sh, "cmake -S cmake -B {folder}/install").quiet().ignore_stdout().run()?;
        cmd!(sh, "cmake --install {folder}/install --prefix {folder}/prefix").quiet().ignore_stdout().run()?;
        cmd!(sh, "cmake -S {here} -B {folder}/build -DCMAKE_PREFIX_PATH={folder}/prefix -DADIOS2_DIR={config}").quiet().ignore_stdout().run()?;
        Ok(cmd!(sh, "cmake --build {folder}/build").quiet().ignore_stdout().run()?)
    })?;
    let _plugin = sh.push_env("ADIOS2_PLUGIN_PATH", build::operator_path(sh));
    println!("\nGray-Scott on {EDGE} x {EDGE} x {EDGE} points, an output every 20 steps, by two XML files:");
    for run in ["plain", "caesar"] {
        cmd!(sh, "{folder}/build/gray-scott {here}/{run}.xml {folder}/{run}.bp {EDGE} {STEPS} 20").quiet().ignore_stdout().run()?;
    }
    cmd!(sh, "{adios2}/bin/python {here}/analyse.py {folder}/plain.bp {folder}/caesar.bp 1e-3 {folder}/figure.png").quiet().run()?;
    println!("A slice, the error and the sizes: {}", folder.join("figure.png").display());
    Ok(())
}
