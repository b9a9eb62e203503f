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

impl Outside {
    /// What a file's sections say, with what the environment says before them; where neither says anything, what `stand_in`
    /// says. Without a URL for payment notifications that of the shop is used, which `public_url` names.
    pub fn named(
        (s3, mercadopago): (Option<S3Config>, Option<MercadoPago>),
        public_url: Option<&str>,
        stand_in: Outside,
    ) -> Outside {
        let s3 = S3Config::named(s3, environment::variable);
        let mercadopago = MercadoPago::named(mercadopago, public_url, environment::variable);
        Outside {
            s3: s3.unwrap_or(stand_in.s3),
            mercadopago: mercadopago.or(stand_in.mercadopago),
            sendgrid: stand_in.sendgrid,
            fcm: stand_in.fcm,
            link_base: stand_in.link_base,
        }
    }
}
