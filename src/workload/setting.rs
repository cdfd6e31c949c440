//! What is set beside the shape: `key=value;key=value`, sorted by key, as files and rows write it.

use std::fmt;

use crate::error::{Error, Result};

/// Values by name; only those that are not the default. Part of a row's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Setting(Vec<(String, String)>);

impl Setting {
    /// Parses `key=value;key=value`; an empty text sets nothing.
    ///
    /// # Errors
    /// Says which part is not of that form, or which key is there twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for part in text.split(';').filter(|_| !text.trim().is_empty()) {
            let pair = part.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            match pair {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                    pairs.push((key.to_owned(), value.to_owned()));
                }
                _ => {
                    return Err(Error::input(format!(
                        "\"{part}\" in setting \"{text}\" is not of the form key=value"
                    )));
                }
            }
        }
        pairs.sort();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Error::input(format!("setting \"{text}\" sets {} twice", pair[0].0))),
            None => Ok(Self(pairs)),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The number that `key` is set to.
    ///
    /// # Errors
    /// If it is no finite number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| Error::input(format!("{key}={text} is not a finite number")))
    }

    /// Refuses keys that are not among `keys`.
    ///
    /// # Errors
    /// Names the first such key, and those that there are: a clause whose subject the caller adds.
    pub fn only(&self, keys: &[&str]) -> Result<()> {
        let known = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        match self.0.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            Some((key, _)) => Err(Error::input(format!("does not know the setting {key}; it knows {known}"))),
            None => Ok(()),
        }
    }

    /// The pairs of both in canonical form, as a row writes them.
    pub fn and(&self, other: &str) -> String {
        let own = self.to_string();
        let mut parts: Vec<&str> = own.split(';').chain(other.split(';')).collect();
        parts.retain(|part| !part.is_empty());
        parts.sort_unstable();
        parts.join(";")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&parts.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_canonical() {
        let setting = Setting::parse(" momentum = 0.3;epsilon=1e-3").unwrap();
        assert_eq!(setting.to_string(), "epsilon=1e-3;momentum=0.3");
        assert_eq!(Setting::parse(&setting.to_string()).unwrap(), setting);
        assert_eq!(setting.number("momentum").unwrap(), Some(0.3));
        assert_eq!(setting.and("gap=semantic"), "epsilon=1e-3;gap=semantic;momentum=0.3");
        assert_eq!(Setting::default().and("gap=semantic"), "gap=semantic");
        assert_eq!(Setting::parse("").unwrap(), Setting::default());
    }

    #[test]
    fn bad_settings_are_refused_in_one_line() {
        for (text, said) in [
            ("epsilon", "\"epsilon\" in setting \"epsilon\" is not of the form key=value"),
            ("a=1;", "is not of the form"),
            ("=1", "is not of the form"),
            ("a=1;b=2;a=3", "sets a twice"),
        ] {
            let error = Setting::parse(text).unwrap_err().to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
        let setting = Setting::parse("a=x").unwrap();
        assert!(setting.number("a").unwrap_err().to_string().contains("a=x is not a finite number"));
        assert!(setting.only(&["b"]).unwrap_err().to_string().contains("setting a; it knows b"));
        assert!(Setting::parse("a=inf").unwrap().number("a").is_err());
    }
}
