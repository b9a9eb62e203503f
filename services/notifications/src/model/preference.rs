//! What a user wants to be told, and by which channel.

use crate::model::delivery::Channel;
use crate::model::kind::Kind;

/// What a user has said no to; what is not named is yes. Kinds that are added later are yes for everybody.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Preferences {
    #[prost(message, repeated, tag = "1")]
    pub(crate) refused: Vec<Refused>,
}

/// A kind that does not go by every channel.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Refused {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(bool, tag = "2")]
    pub(crate) no_email: bool,
    #[prost(bool, tag = "3")]
    pub(crate) no_push: bool,
}

/// What a user says of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) kind: Kind,
    pub(crate) email: bool,
    pub(crate) push: bool,
}

impl Preferences {
    /// The preferences that these wishes make; a kind that is not among them is yes.
    pub(crate) fn of(wishes: &[Wish]) -> Preferences {
        let refused = wishes.iter().filter(|wish| !wish.email || !wish.push).map(|wish| Refused {
            kind: wish.kind.name().to_owned(),
            no_email: !wish.email,
            no_push: !wish.push,
        });
        Preferences { refused: refused.collect() }
    }

    /// Whether a kind goes by a channel. Mails of security always do.
    pub(crate) fn wants(&self, kind: Kind, channel: Channel) -> bool {
        let refused = self.refused.iter().find(|refused| refused.kind == kind.name());
        match channel {
            Channel::Email => kind.is_security() || refused.is_none_or(|refused| !refused.no_email),
            Channel::Push => refused.is_none_or(|refused| !refused.no_push),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_refused_is_wanted() {
        let none = Preferences::default();
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| none.wants(*kind, Channel::Email) && none.wants(*kind, Channel::Push))
        );
        let some = Preferences::of(&[Wish { kind: Kind::PriceDrop, email: false, push: true }]);
        assert!(!some.wants(Kind::PriceDrop, Channel::Email) && some.wants(Kind::PriceDrop, Channel::Push));
        assert!(some.wants(Kind::BackInStock, Channel::Email));
    }

    #[test]
    fn a_security_mail_cannot_be_refused_but_its_push_can() {
        let none = Preferences::of(&Kind::ALL.map(|kind| Wish { kind, email: false, push: false }));
        for kind in Kind::ALL {
            assert_eq!(none.wants(kind, Channel::Email), kind.is_security(), "{kind:?}");
            assert!(!none.wants(kind, Channel::Push), "{kind:?}");
        }
    }
}
