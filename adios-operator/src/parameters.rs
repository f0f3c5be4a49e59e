//! An operator's parameters, as they stand in a simulation's XML or YAML, into options.

use caesar_codec::{Error, MODES, Options, Result};

/// Reads parameters, each a key in any case and a value. Gives the options, and the keys that nobody knows: with one of those,
/// the options are lossless, for it may have been meant to be the bound.
///
/// # Errors
/// `InvalidArgument` for values that cannot be, naming the parameter.
pub fn options<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(Options, Vec<&'a str>)> {
    let mut options = Options::default();
    let (mut bound, mut mode, mut unknown) = (None, None, Vec::new());
    for (name, value) in parameters {
        let (key, value) = (name.to_ascii_lowercase(), value.trim().to_ascii_lowercase());
        match key.as_str() {
            // ADIOS2's own.
            "pluginname" | "pluginlibrary" | "verbose" => (),
            _ if is_bound(&key) => {
                if let Some((first, _)) = &bound {
                    return invalid(name, format!("a second bound after \"{first}\""));
                }
                bound = Some((key, value));
            }
            "mode" => mode = Some(value),
            "method" => options.method = word(name, &key, &value)?.method,
            "effort" => options.effort = word(name, &key, &value)?.effort,
            "fill" => options.fill = word(name, &key, &value)?.fill,
            _ => unknown.push(name),
        }
    }
    options.bound = match (bound, mode.as_deref()) {
        (None, None | Some("lossless")) => options.bound,
        (None, Some(mode)) => return invalid("mode", format!("{mode} needs a bound: accuracy=1e-3")),
        (Some((key, value)), mode) => {
            let meant = match key.as_str() {
                "accuracy" | "tolerance" => mode.unwrap_or("abs"),
                key => key,
            };
            if mode.is_some_and(|mode| mode != meant) {
                return invalid("mode", format!("{} contradicts \"{key}\"", mode.unwrap_or_default()));
            }
            word(&key, meant, &value)?.bound
        }
    };
    options.check()?;
    Ok((if unknown.is_empty() { options } else { Options::default() }, unknown))
}

/// The modes that take a number, and two words for one that a separate `mode` names.
fn is_bound(key: &str) -> bool {
    MODES[1..].contains(&key) || matches!(key, "accuracy" | "tolerance")
}

fn invalid<T>(name: &str, what: String) -> Result<T> {
    Err(Error::InvalidArgument(format!("parameter \"{name}\": {what}")))
}

/// One word of the option grammar.
fn word(name: &str, key: &str, value: &str) -> Result<Options> {
    format!("{key}={value}").parse().or_else(|error: Error| match error {
        Error::InvalidArgument(what) => invalid(name, what),
        other => Err(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: [(&str, &str); 2] = [("pluginname", "CaesarOperator"), ("pluginlibrary", "caesar_operator")];

    fn text(parameters: &[(&'static str, &'static str)]) -> String {
        let (options, unknown) = options(PLUGIN.into_iter().chain(parameters.iter().copied())).unwrap();
        assert!(unknown.is_empty());
        options.to_string()
    }

    #[test]
    fn every_form_of_a_bound() {
        assert_eq!(text(&[]), "lossless");
        assert_eq!(text(&[("mode", "lossless")]), "lossless");
        for key in ["abs", "accuracy", "tolerance", "Accuracy"] {
            assert_eq!(text(&[(key, "1e-3")]), "abs=1e-3");
            assert_eq!(text(&[(key, " 0.001 "), ("mode", "ABS")]), "abs=1e-3");
        }
        for mode in ["rel", "pw_rel", "nrmse", "patch_nrmse"] {
            assert_eq!(text(&[(mode, "1e-4")]), format!("{mode}=1e-4"));
            assert_eq!(text(&[("mode", mode), ("accuracy", "1e-4")]), format!("{mode}=1e-4"));
        }
        assert_eq!(text(&[("mode", "REL"), ("tolerance", "1e-4")]), "rel=1e-4");
        assert_eq!(text(&[("psnr", "80"), ("method", "interpolation"), ("effort", "fast")]), "psnr=80,method=interpolation,effort=fast");
    }

    #[test]
    fn errors_name_the_parameter() {
        for (parameters, name) in [
            (&[("accuracy", "tiny")][..], "\"accuracy\""),
            (&[("abs", "-1")], "\"abs\""),
            (&[("rel", "nan")], "\"rel\""),
            (&[("abs", "1"), ("rel", "1")], "\"rel\""),
            (&[("mode", "rel")], "\"mode\""),
            (&[("mode", "rel"), ("abs", "1")], "\"mode\""),
            (&[("mode", "best"), ("accuracy", "1")], "\"accuracy\""),
            (&[("method", "zfp")], "\"method\""),
            (&[("method", "")], "\"method\""),
            (&[("effort", "most")], "\"effort\""),
            (&[("method", "ae-sz")], "method"),
        ] {
            let message = options(parameters.iter().copied()).unwrap_err().to_string();
            assert!(message.contains(name), "{parameters:?}: {message}");
        }
    }

    #[test]
    fn with_an_unknown_key_all_is_lossless() {
        let (options, unknown) = options([("precision", "12"), ("abs", "1")]).unwrap();
        assert_eq!((options, unknown), (Options::default(), vec!["precision"]));
    }
}
