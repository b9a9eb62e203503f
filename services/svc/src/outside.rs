//! The outside services: S3, MercadoPago, SendGrid and FCM.

use vitrina_chassis::environment;
use vitrina_images::S3Config;
use vitrina_notifications::{Fcm, SendGrid};
use vitrina_orders::MercadoPago;

/// What the services are told of the outside. Holds secrets, none of which its `Debug` shows.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Where pictures are kept.
    pub s3: S3Config,
    /// Who takes payments; absent: manual payment only.
    pub mercadopago: Option<MercadoPago>,
    /// Who takes mails; absent: none are sent.
    pub sendgrid: Option<SendGrid>,
    /// Who takes pushes; absent: none are sent.
    pub fcm: Option<Fcm>,
    /// Base of the links in mails; absent: the default of notifications.
    pub link_base: Option<String>,
}

/// What a file says of the outside: a section for each.
#[derive(Clone, Debug, Default)]
pub struct Sections {
    /// `[s3]`.
    pub s3: Option<S3Config>,
    /// `[mercadopago]`.
    pub mercadopago: Option<MercadoPago>,
    /// `[sendgrid]`.
    pub sendgrid: Option<SendGrid>,
    /// `[fcm]`.
    pub fcm: Option<Fcm>,
}

impl Sections {
    /// The same with what the environment says before it. Without a URL for payment notifications that of the shop is used, which
    /// `public_url` names.
    pub fn with_environment(self, public_url: Option<&str>) -> Sections {
        Sections {
            s3: S3Config::named(self.s3, environment::variable),
            mercadopago: MercadoPago::named(self.mercadopago, public_url, environment::variable),
            sendgrid: SendGrid::named(self.sendgrid, environment::variable),
            fcm: Fcm::named(self.fcm, environment::variable),
        }
    }

    /// Every key that is missing or wrong, of all sections at once.
    pub fn mistakes(&self) -> Vec<String> {
        let mercadopago = self.mercadopago.as_ref().map(MercadoPago::mistakes);
        let sendgrid = self.sendgrid.as_ref().map(SendGrid::mistakes);
        let fcm = self.fcm.as_ref().map(Fcm::mistakes);
        [mercadopago, sendgrid, fcm].into_iter().flatten().flatten().collect()
    }
}

impl Outside {
    /// What the sections say; where one says nothing, what `stand_in` says.
    pub fn named(sections: Sections, stand_in: Outside) -> Outside {
        Outside {
            s3: sections.s3.unwrap_or(stand_in.s3),
            mercadopago: sections.mercadopago.or(stand_in.mercadopago),
            sendgrid: sections.sendgrid.or(stand_in.sendgrid),
            fcm: sections.fcm.or(stand_in.fcm),
            link_base: stand_in.link_base,
        }
    }
}
