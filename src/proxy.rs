//! A proxy as the environment names it. Who connects reads the variables itself; here they are held to what it
//! understands, and what of them is secret is known, so that nothing that a proxy says can show it.

use percent_encoding::percent_decode_str;

use crate::credential::SecretText;
use crate::registry::url::Base;

/// The variables, in both spellings that are usual.
pub const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The secret texts of a proxy's address; `None` where that is no address of a proxy that speaks HTTP: the HTTP client
/// would pass over it, and connect without. A scheme may be left out.
pub fn secrets(address: &str) -> Option<Vec<SecretText>> {
    let uri: http::Uri = address.parse().ok()?;
    // A '#' or '?' would end the address in the middle of a password.
    let plain = matches!(uri.path(), "" | "/") && !address.contains(['#', '?']);
    if !plain || !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return None;
    }
    let authority = uri.authority()?.as_str();
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    Base::parse(&format!("http://{place}"), true).ok()?;
    let Some((name, password)) = user.and_then(|user| user.split_once(':')) else { return Some(Vec::new()) };
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", plain(name), plain(password));
    Some([pair, password.to_owned(), plain(password)].map(SecretText::new).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_would_pass_over_is_no_proxy() {
        for address in ["/proxy", "socks5://proxy:1080", "http://u:pass word@proxy:3128", "http://u:pa/ss@proxy:3128"] {
            assert!(secrets(address).is_none(), "{address}");
        }
        for address in ["http://u:pa#ss@proxy:3128", "http://u:pa?ss@proxy:3128", "http://", "http://proxy:port"] {
            assert!(secrets(address).is_none(), "{address}");
        }
        for address in ["http://proxy:3128", "proxy.example.com:3128", "https://10.0.0.1/", "http://user@[::1]:3128"] {
            assert_eq!(secrets(address), Some(Vec::new()), "{address}");
        }
    }

    #[test]
    fn the_password_is_secret_as_it_is_written_as_it_is_meant_and_as_it_is_sent() {
        let secrets = secrets("http://build:p%40ss@proxy:3128").unwrap();
        let scrubbed =
            |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.spellings().blanked(text));
        // The last is build:p@ss in base64.
        for text in ["p%40ss", "p@ss", "build:p@ss", "YnVpbGQ6cEBzcw=="] {
            assert_eq!(scrubbed(&format!("no {text} here")), "no [secret] here", "{text}");
        }
    }
}
