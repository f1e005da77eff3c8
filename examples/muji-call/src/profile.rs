//! Profiles: default options in `~/.config/muji-call/config.toml`.
//!
//! ```toml
//! default = "home"
//!
//! [profile.home]
//! jid = "romeo@example.org"
//! nick = "romeo"
//! password_file = "/home/romeo/.xmpp-password"
//! server = "xmpp.example.org:5223"
//! tls = "direct"
//! ca_file = "/home/romeo/ca.pem"
//! audio = "mic:Headset"
//! speaker = "Headset"
//! video = "none"
//! keyring = true
//! ```

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use jid::Jid;
use serde::Deserialize;

use crate::args::{Args, Login, Tls};
use crate::exit::Failure;

/// Longest file that is read.
const MAX_FILE: u64 = 65_536;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The profile that is taken if none is named.
    default: Option<String>,
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

/// One profile. A password is not among its fields on purpose: this file is often shared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) jid: Option<Jid>,
    pub(crate) nick: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) server: Option<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) audio: Option<String>,
    pub(crate) speaker: Option<String>,
    pub(crate) video: Option<String>,
    #[serde(default)]
    pub(crate) keyring: bool,
}

/// The profile of this name, or the default one, or an empty one where there is no file.
pub(crate) fn load(name: Option<&str>) -> Result<Profile, Failure> {
    let path = path();
    let text = match path.as_deref().map(read) {
        Some(Ok(text)) => text,
        Some(Err(why)) if why.kind() != ErrorKind::NotFound => return Err(unreadable(path.as_deref(), &why)),
        Some(Err(_)) | None => String::new(),
    };
    choose(&text, name).map_err(|why| unreadable(path.as_deref(), &why))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn choose(text: &str, name: Option<&str>) -> Result<Profile, String> {
    let mut file: File = toml::from_str(text).map_err(|why| why.to_string().trim_end().to_owned())?;
    let Some(name) = name.map(str::to_owned).or_else(|| file.default.take()) else { return Ok(Profile::default()) };
    let known = file.profile.keys().cloned().collect::<Vec<_>>().join(", ");
    file.profile.remove(&name).ok_or_else(|| {
        if known.is_empty() {
            format!("there is no profile {name}")
        } else {
            format!("there is no profile {name}; there are: {known}")
        }
    })
}

fn unreadable(path: Option<&Path>, why: &dyn std::fmt::Display) -> Failure {
    let path = path.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
    Failure::Usage(format!("{path}: {why}"))
}

/// Where the file is (XDG Base Directory Specification).
fn path() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("muji-call/config.toml"))
}

impl Profile {
    /// Fills what was not said.
    pub(crate) fn complete(mut self, args: &mut Args) {
        args.nick = args.nick.take().or_else(|| self.nick.take());
        args.media.audio = args.media.audio.take().or_else(|| self.audio.take());
        args.media.speaker = args.media.speaker.take().or_else(|| self.speaker.take());
        args.media.video = args.media.video.take().or_else(|| self.video.take());
        self.complete_login(&mut args.login);
    }

    /// Fills what was not said of the login.
    pub(crate) fn complete_login(self, login: &mut Login) {
        // A server belongs to its account: one of the profile is nothing to another account.
        if login.jid.is_none() || login.jid == self.jid {
            if login.server.is_none() {
                login.server = self.server;
                login.tls = login.tls.or(self.tls);
            }
            login.ca_file = login.ca_file.take().or(self.ca_file);
            login.keyring |= self.keyring;
            // The environment wins over the profile.
            let elsewhere = std::env::var_os("XMPP_PASSWORD").is_some();
            login.password_file = login.password_file.take().or_else(|| self.password_file.filter(|_| !elsewhere));
        }
        login.jid = login.jid.take().or(self.jid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "default = 'home'\n[profile.home]\njid = 'romeo@example.org'\ntls = 'direct'\n[profile.work]\n";

    #[test]
    fn a_profile_is_taken_by_name_or_by_default() {
        assert_eq!(choose(FILE, None).unwrap().jid.unwrap().to_string(), "romeo@example.org");
        assert_eq!(choose(FILE, None).unwrap().tls, Some(Tls::Direct));
        assert!(choose(FILE, Some("work")).unwrap().jid.is_none());
        assert!(choose("", None).unwrap().jid.is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(choose(FILE, Some("hone")).unwrap_err(), "there is no profile hone; there are: home, work");
        assert!(choose("[profile.home]\npassword = 'rose'", Some("home")).unwrap_err().contains("password_file"));
        assert!(choose("[profile.home]\njid = '@'", None).is_err());
    }
}
