//! Where the password comes from: a file, the environment, the keyring, or the user. Never an option: the whole machine
//! can read those.

use std::io::Read;
use std::path::Path;

use jid::Jid;
use muji_core::Secret;

use crate::args::Login;
use crate::exit::Failure;

/// Longest password file that is read; a wrong file should not fill the memory.
const MAX_PASSWORD: u64 = 4_096;

/// The password of an account.
pub(crate) fn find(jid: &Jid, login: &Login) -> Result<Secret, Failure> {
    if let Some(path) = &login.password_file {
        return first_line(path);
    }
    if let Ok(password) = std::env::var("XMPP_PASSWORD") {
        return Ok(Secret::new(password));
    }
    if login.keyring {
        return keyring::recall(jid);
    }
    let asked = rpassword::prompt_password(format!("Password of {jid}: "));
    asked.map(Secret::new).map_err(|why| {
        Failure::Usage(format!(
            "no password: set XMPP_PASSWORD, use --password-file, or run the program in a terminal ({why})"
        ))
    })
}

/// The first line of a file, or of standard input (`-`).
pub(crate) fn first_line(path: &Path) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_PASSWORD).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_PASSWORD).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(Secret::new(text.lines().next().unwrap_or_default())),
        Err(why) => Err(Failure::Usage(format!("{} cannot be read: {why}", path.display()))),
    }
}

#[cfg(not(feature = "keyring"))]
mod keyring {
    use jid::Jid;
    use muji_core::Secret;

    use crate::exit::Failure;

    pub(super) fn recall(_: &Jid) -> Result<Secret, Failure> {
        let how =
            "this muji-call was built without keyring support; build it with --features keyring, or run make install";
        Err(Failure::Usage(how.to_owned()))
    }
}

/// The desktop's keyring.
#[cfg(feature = "keyring")]
pub(crate) mod keyring {
    use ::keyring::Entry;
    use jid::Jid;
    use muji_core::Secret;

    use super::find;
    use crate::args::Login;
    use crate::exit::Failure;

    /// What our passwords are filed under.
    const SERVICE: &str = "muji-call";

    pub(super) fn recall(jid: &Jid) -> Result<Secret, Failure> {
        let bare = jid.to_bare().to_string();
        let found = Entry::new(SERVICE, &bare).and_then(|entry| entry.get_password());
        found.map(Secret::new).map_err(|why| {
            Failure::Usage(format!(
                "the keyring has no password for {bare} ({why}); store it with: muji-call remember --jid {bare}"
            ))
        })
    }

    /// Asks for the password of an account and files it.
    pub(crate) fn remember(login: Login) -> Result<(), Failure> {
        let jid = login.jid.clone().ok_or_else(|| Failure::Usage("no account: use --jid".to_owned()))?;
        let password = find(&jid, &Login { keyring: false, ..login })?;
        let bare = jid.to_bare().to_string();
        let filed = Entry::new(SERVICE, &bare).and_then(|entry| entry.set_password(password.expose()));
        filed.map_err(|why| Failure::Usage(format!("the keyring cannot store the password: {why}")))?;
        crate::output::line(format_args!("Stored the password of {bare}; use it with --keyring."));
        Ok(())
    }
}
