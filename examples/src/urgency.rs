//! How urgent a call is, and how urgent it must be to be let in: what is said of it in
//! the metadata of calls and answers (`trans_info`).
//!
//! Under overload a [controlled](crate::server::Service::controlled) service tells in
//! each answer which level it lets in, as DAGOR has it; its callers then refuse by
//! themselves what would be refused there. Both sides find the level of a call from the
//! same words in the same way, so another language's client can do it too: the level is
//! `priority * 128 + hash % 128`, where the hash is FNV-1a of 64 bits over the user.

use std::collections::BTreeMap;

use bytes::Bytes;
use errgroup::Context;
use pool_worker::overload::{Class, Level};

/// What a caller sends along to say how urgent its request is: a number from 0 on, the
/// most urgent. The least urgent when nothing is said.
pub const PRIORITY: &str = "priority";
/// And for which user it is: any bytes. The caller's name when nothing is said.
pub const USER: &str = "user";
/// What a server sends along while it refuses some: the number of the
/// [`Level`] that is still let in. All are when nothing is said.
pub const ADMITTED: &str = "admitted";

/// What is said of a request goes along with the calls that are made for it.
const GOES_ALONG: [&str; 2] = [PRIORITY, USER];

/// A context in which what is said of a request goes along; a user that is no text does
/// not.
pub(crate) fn carried(meta: &BTreeMap<String, Bytes>, mut context: Context) -> Context {
    for key in GOES_ALONG {
        let said = meta
            .get(key)
            .and_then(|said| std::str::from_utf8(said).ok());
        if let Some(said) = said {
            context = context.with(key, said);
        }
    }
    context
}

/// Says of a call what goes along, where its caller says nothing.
pub(crate) fn inherit(meta: &mut BTreeMap<String, Bytes>, context: &Context) {
    for key in GOES_ALONG {
        if let Some(said) = context.get(key).filter(|_| !meta.contains_key(key)) {
            meta.insert(key.to_owned(), Bytes::copy_from_slice(said.as_bytes()));
        }
    }
}

/// The context, as urgent as the other if that is more urgent.
pub(crate) fn at_least(mut context: Context, other: &Context) -> Context {
    let priority = |context: &Context| {
        let said = context.get(PRIORITY).and_then(|said| said.parse().ok());
        said.unwrap_or(u8::MAX)
    };
    if priority(other) < priority(&context) {
        for key in GOES_ALONG {
            if let Some(said) = other.get(key) {
                context = context.with(key, said);
            }
        }
    }
    context
}

/// How urgent a call is by its metadata and the name of its caller.
pub(crate) fn class_of(meta: &BTreeMap<String, Bytes>, caller: &[u8]) -> Class {
    let user = meta.get(USER).map_or(caller, |user| &user[..]);
    let priority = number(meta, PRIORITY).unwrap_or(u8::MAX);
    Class::new().priority(priority).user(fnv1a(user))
}

/// The level that an answer says is let in.
pub(crate) fn admitted(meta: &BTreeMap<String, Bytes>) -> Level {
    number(meta, ADMITTED).map_or(Level::ALL, Level::from_number)
}

/// Has an answer say which level is let in.
pub(crate) fn tell_admitted(meta: &mut BTreeMap<String, Bytes>, level: Level) {
    if level < Level::ALL {
        meta.insert(ADMITTED.to_owned(), level.number().to_string().into());
    }
}

fn number<N: std::str::FromStr>(meta: &BTreeMap<String, Bytes>, key: &str) -> Option<N> {
    std::str::from_utf8(meta.get(key)?).ok()?.parse().ok()
}

/// Fowler, Noll and Vo's hash: the same in every version and language.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(info: &[(&str, &str)]) -> Class {
        let said = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned().into());
        class_of(&info.iter().map(said).collect(), b"caller")
    }

    #[test]
    fn a_caller_says_how_urgent_its_request_is() {
        let mine = class(&[(PRIORITY, "3"), (USER, "me")]);
        assert_eq!(mine.level().business(), 3);
        let other = class(&[(PRIORITY, "3"), (USER, "you")]);
        assert_ne!(mine.level(), other.level());
    }

    #[test]
    fn what_is_said_of_a_request_is_said_of_its_calls() {
        let said = [(PRIORITY, "3"), (USER, "me"), ("other", "x")];
        let said = said.map(|(key, value)| (key.to_owned(), value.into()));
        let context = carried(&said.into(), Context::new("id"));
        let mut meta = BTreeMap::from([(USER.to_owned(), "you".into())]);
        inherit(&mut meta, &context);
        let says = [(PRIORITY, "3"), (USER, "you")];
        let says = says.map(|(key, value)| (key.to_owned(), value.into()));
        assert_eq!(meta, says.into());
    }

    #[test]
    fn what_goes_together_is_as_urgent_as_the_most_urgent() {
        let request = |priority: &str| Context::new("id").with(PRIORITY, priority);
        for (one, other, both) in [("5", "3", "3"), ("3", "5", "3"), ("", "7", "7")] {
            let context = at_least(request(one), &request(other));
            assert_eq!(context.get(PRIORITY), Some(both));
        }
    }

    #[test]
    fn who_says_nothing_or_nonsense_is_least_urgent() {
        for info in [&[][..], &[(PRIORITY, "soon")], &[(PRIORITY, "-1")]] {
            assert_eq!(class(info).level().business(), 63);
        }
    }

    #[test]
    fn a_level_is_the_same_for_every_client() {
        // FNV-1a of "foobar", from its authors' test vectors.
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let level = class(&[(PRIORITY, "2"), (USER, "foobar")]).level();
        assert_eq!(level.number(), 2 * 128 + 0x68);
    }

    #[test]
    fn a_level_is_told_only_while_some_are_refused() {
        let mut meta = BTreeMap::new();
        tell_admitted(&mut meta, Level::ALL);
        assert!(meta.is_empty());
        assert_eq!(admitted(&meta), Level::ALL);
        tell_admitted(&mut meta, Level::from_number(77));
        assert_eq!(admitted(&meta).number(), 77);
    }
}
