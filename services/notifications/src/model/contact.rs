//! How a user is reached, as users told it last.

use crate::model::delivery::Device;

/// How a user is reached.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Contact {
    /// Of what was heard; older news is dropped.
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) email: String,
    #[prost(string, tag = "3")]
    pub(crate) first_name: String,
    /// `es` or `en`.
    #[prost(string, tag = "4")]
    pub(crate) language: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) devices: Vec<Device>,
    /// The account is gone; it does not come back.
    #[prost(bool, tag = "6")]
    pub(crate) is_deleted: bool,
}

impl Contact {
    /// What is kept of somebody who left: that he did.
    pub(crate) fn departed(version: u32) -> Contact {
        Contact { version, is_deleted: true, ..Contact::default() }
    }

    /// The same without a device.
    pub(crate) fn without(&self, token: &str) -> Contact {
        let devices = self.devices.iter().filter(|device| device.token != token).cloned().collect();
        Contact { devices, ..self.clone() }
    }
}
