//! `caesar args`: one bound, spelt for each tool.

use anyhow::Result;
use caesar_codec::{Bound, Effort, MethodChoice, Options, words_of_f64};
use h5zcaesar::ID;
use std::fmt::{self, Write};

#[derive(clap::Args)]
pub struct Args {
    /// The bound: abs=1e-3, rel=1e-4, pw_rel=1e-2, nrmse=1e-4, psnr=80, patch_nrmse=1e-4, patch_psnr=80 or lossless; method=…, effort=… and fill=… (a value that is kept exactly) after a comma
    #[arg(value_parser = available)]
    spec: Options,
    /// The data set (variable) to compress; without it, all of them
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
}

/// Options that the tools' plugins take. A bound that is left out means lossless, which few who forget it expect.
fn available(spec: &str) -> caesar_codec::Result<Options> {
    let options = spec.parse::<Options>()?.check()?;
    if options.bound == Bound::Lossless && !spec.contains("lossless") {
        eprintln!("caesar: no bound is given, so these lines are lossless; abs=1e-3 is one");
    }
    Ok(options)
}

/// A word as shells take it for one.
fn shell(word: &str) -> String {
    if word.chars().all(|c| c.is_alphanumeric() || "_-+./:,=".contains(c)) {
        return word.to_owned();
    }
    let escape = |c: char| if "\\\"$`".contains(c) { format!("\\{c}") } else { c.to_string() };
    format!("\"{}\"", word.chars().map(escape).collect::<String>())
}

impl Args {
    pub fn run(self) -> Result<()> {
        print!("{}", Lines { options: self.spec, dataset: self.dataset });
        Ok(())
    }
}

struct Lines {
    options: Options,
    dataset: Option<String>,
}

impl Lines {
    /// The bound with its mode, then method, effort and a fill value as far as they are not the default ones.
    /// `spell` spells numbers; a plain absolute bound is the number alone.
    fn parameters(&self, spell: impl Fn(f64) -> String) -> Vec<String> {
        let Options { bound, method, effort, fill } = self.options;
        let (mode, number) = (bound.mode(), spell(bound.value()));
        let rest = match (method, effort, fill) {
            (MethodChoice::Auto, Effort::Balanced, None) => vec![],
            (_, Effort::Balanced, None) => vec![method.number()],
            _ => vec![method.number(), effort.number()],
        };
        let mut parameters = match self.options.bound {
            Bound::Lossless if rest.is_empty() => return vec![],
            Bound::Absolute(_) if rest.is_empty() => return vec![number],
            _ => vec![mode.to_string(), number],
        };
        parameters.extend(rest.iter().map(u32::to_string).chain(fill.map(spell)));
        parameters
    }

    /// cd_values as h5repack and h5py take them: decimal words, the bound as two of them, low one first.
    fn words(&self) -> Vec<String> {
        let spell = |number| words_of_f64(number).map(|word| word.to_string()).join(",");
        self.parameters(spell).iter().flat_map(|p| p.split(',')).map(str::to_owned).collect()
    }

    /// The same in netCDF's spelling, where a number that ends in `d` is a double: two words.
    fn netcdf(&self) -> String {
        let mut parts = vec![ID.to_string()];
        parts.extend(self.parameters(|number| format!("{number:e}d")));
        parts.join(",")
    }

    fn h5repack(&self) -> String {
        let words = self.words();
        let mut filter = self.dataset.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
        let _ = write!(filter, "UD={ID},0,{}", words.len());
        words.iter().for_each(|word| filter.extend([",", word]));
        format!("h5repack -f {} in.h5 out.h5", shell(&filter))
    }

    fn nccopy(&self) -> String {
        let filter = format!("{},{}", self.dataset.as_deref().unwrap_or("*"), self.netcdf());
        format!("nccopy -F {} in.nc out.nc", shell(&filter))
    }

    /// A Python tuple, which needs a comma after a single element.
    fn tuple(&self) -> String {
        match &self.words()[..] {
            [single] => format!("({single},)"),
            words => format!("({})", words.join(", ")),
        }
    }

    fn cdo(&self) -> String {
        match &self.dataset {
            None => format!("cdo -f nc4 --filter {} copy in.nc out.nc", self.netcdf()),
            Some(name) => format!(
                "echo '{name}=\"{}\"' > filter.txt\ncdo -f nc4 setfilter,filename=filter.txt in.nc out.nc",
                self.netcdf()
            ),
        }
    }

    /// Names and values of the operator's parameters: those that find the plugin, then the words of the bound.
    fn adios2(&self) -> Vec<(String, String)> {
        let mut parameters = vec![
            ("PluginName".to_owned(), "CaesarOperator".to_owned()),
            ("PluginLibrary".to_owned(), "caesar_operator".to_owned()),
        ];
        let spec = self.options.to_string();
        parameters.extend(spec.split(',').filter_map(|word| word.split_once('=')).map(|(k, v)| (k.into(), v.into())));
        parameters
    }

    fn adios2_xml(&self) -> String {
        let name = self.dataset.as_deref().unwrap_or("NAME");
        let mut xml = format!("<variable name=\"{name}\">\n  <operation type=\"plugin\">\n");
        for (key, value) in self.adios2() {
            let _ = writeln!(xml, "    <parameter key=\"{key}\" value=\"{value}\"/>");
        }
        xml + "  </operation>\n</variable>"
    }

    fn adios2_python(&self) -> String {
        let parameters: Vec<_> = self.adios2().iter().map(|(k, v)| format!("\"{k}\": \"{v}\"")).collect();
        format!("variable.add_operation(adios.define_operator(\"caesar\", \"plugin\"), {{{}}})", parameters.join(", "))
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let words = self.words();
        let shown = if words.is_empty() { "none".to_owned() } else { words.join(" ") };
        let name = self.dataset.as_deref().unwrap_or("NAME");
        let tuple = self.tuple();
        writeln!(f, "{}  —  filter {ID}, cd_values: {shown}\n", self.options)?;
        let everything = match self.dataset {
            None => "the bound applies to coordinates too: name the variables with --dataset where there are any",
            Some(_) => "",
        };
        let mut section = |title: &str, body: &str, notes: &[&str]| {
            writeln!(f, "{title}")?;
            body.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
            notes.iter().filter(|note| !note.is_empty()).try_for_each(|note| writeln!(f, "  ! {note}"))?;
            writeln!(f)
        };
        section(
            "h5repack",
            &self.h5repack(),
            &[
                "decimal words only: UD=40044,0,1,0.001 stores 0",
                everything,
                "a missing plugin is no error to h5repack: it copies the data as they are and exits 0; check with caesar verify",
            ],
        )?;
        section(
            "nccopy",
            &self.nccopy(),
            &[
                "the d makes the number a double; without it netCDF takes the bound for 0",
                everything,
                "several variables are \"t&u,40044,…\"; \"t|u,40044,…\" does nothing and exits 0",
            ],
        )?;
        section(
            "h5py",
            &format!("f.create_dataset({name:?}, data=data, chunks=data.shape, compression={ID}, compression_opts={tuple})"),
            &["a chunk is what is compressed, and later read, at once: as large as suits you, below 4 GiB"],
        )?;
        section(
            "xarray (h5netcdf)",
            &format!(
                "ds.to_netcdf(\"out.nc\", engine=\"h5netcdf\", encoding={{{name:?}: {{\"chunksizes\": ds[{name:?}].shape, \"compression\": {ID}, \"compression_opts\": {tuple}}}}})"
            ),
            &["engine=\"netcdf4\" has no foreign filters: \"unexpected encoding parameters\""],
        )?;
        section("CDO 2.5 or newer", &self.cdo(), &[])?;
        section("ADIOS2 2.12 or newer, XML", &self.adios2_xml(), &[])?;
        section("ADIOS2 2.12 or newer, Python", &self.adios2_python(), &["a bound of SetAccuracy never reaches a plugin: give it as a parameter"])?;
        match self.options.bound {
            Bound::Relative(_) | Bound::Nrmse(_) | Bound::Psnr(_) | Bound::PatchNrmse(_) | Bound::PatchPsnr(_) => writeln!(
                f,
                "{} is relative to the range of each chunk (HDF5, netCDF) or block (ADIOS2), not of the whole variable.",
                self.options.bound.mode_name()
            )?,
            _ => {}
        }
        writeln!(f, "HDF5_PLUGIN_PATH must name the directory of {}, ADIOS2_PLUGIN_PATH that of libcaesar_operator.so.", h5zcaesar::file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(spec: &str, dataset: Option<&str>) -> Lines {
        Lines { options: spec.parse().unwrap(), dataset: dataset.map(str::to_owned) }
    }

    #[test]
    fn h5repack_gets_decimal_words() {
        for (spec, words) in [
            ("lossless", "0"),
            ("abs=0.01", "2,1202590843,1065646817"),
            ("rel=1e-3", "3,2,3539053052,1062232653"),
            ("abs=1e-3,method=caesar-v", "4,1,3539053052,1062232653,1"),
            ("psnr=80,effort=best", "5,5,0,1079246848,0,2"),
            ("lossless,effort=fast", "5,0,0,0,0,1"),
        ] {
            assert_eq!(lines(spec, None).h5repack(), format!("h5repack -f UD=40044,0,{words} in.h5 out.h5"));
        }
        assert_eq!(
            lines("abs=0.01", Some("/ocean/temp")).h5repack(),
            "h5repack -f /ocean/temp:UD=40044,0,2,1202590843,1065646817 in.h5 out.h5"
        );
    }

    #[test]
    fn netcdf_gets_doubles() {
        for (spec, filter) in [
            ("lossless", "*,40044"),
            ("abs=0.01", "*,40044,1e-2d"),
            ("pw_rel=0.02,method=interpolation", "*,40044,3,2e-2d,5"),
            ("nrmse=1e-4,effort=fast", "*,40044,4,1e-4d,0,1"),
        ] {
            assert_eq!(lines(spec, None).nccopy(), format!("nccopy -F \"{filter}\" in.nc out.nc"));
        }
        assert_eq!(lines("abs=1", Some("temp")).nccopy(), "nccopy -F temp,40044,1e0d in.nc out.nc");
        assert_eq!(lines("abs=1", Some("a&$b")).nccopy(), r#"nccopy -F "a&\$b,40044,1e0d" in.nc out.nc"#);
    }

    #[test]
    fn every_spelling_means_the_bound() {
        for spec in ["lossless", "abs=3.5", "rel=1e-3", "psnr=60,method=srn-sz", "abs=0.1,effort=best", "nrmse=1e-5,method=caesar-v,effort=fast", "patch_nrmse=1e-4", "patch_psnr=70.5", "abs=0.1,fill=-99", "rel=1e-3,effort=fast,fill=1e20"] {
            let lines = lines(spec, None);
            let words: Vec<u32> = lines.words().iter().map(|word| word.parse().unwrap()).collect();
            assert_eq!(Options::from_cd_values(&words).unwrap(), lines.options, "{spec}");
            let adios: Vec<String> = lines.adios2()[2..].iter().map(|(k, v)| format!("{k}={v}")).collect();
            assert_eq!(adios.join(",").parse::<Options>().unwrap(), lines.options, "{spec}");
        }
    }

    #[test]
    fn python_gets_a_tuple() {
        assert_eq!(lines("lossless", None).tuple(), "()");
        assert_eq!(lines("abs=0.01", None).tuple(), "(1202590843, 1065646817)");
    }
}
