//! GetPreferences and PutPreferences.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::notifications::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::model::preference::Preferences;
use crate::{store, wire};

const PUT_RPC: &str = "vitrina.notifications.v1.Notifications/PutPreferences";

impl App {
    /// What the caller wants to be told: every kind.
    pub(crate) fn get_preferences(
        &self,
        call: &Call<pb::GetPreferencesRequest>,
    ) -> Result<Answer<pb::Preferences>, Error> {
        let user = call.caller.require_user()?;
        let row = store::preferences(&self.store, user)?;
        Ok(Answer::new(wire::preferences(&row.value)).version(row.version))
    }

    /// Puts the caller's preferences in place of those before. The answer shows that mails of security go all the same.
    pub(crate) async fn put_preferences(
        &self,
        call: Call<pb::PutPreferencesRequest>,
    ) -> Result<Answer<pb::Preferences>, Error> {
        let user = call.caller.require_user()?;
        let after = Preferences::of(&wire::wishes(&call.request)?);
        unit(&self.store, &call, PUT_RPC, || {
            let before = store::preferences(&self.store, user)?;
            call.check_version(before.version)?;
            let mut commit = Commit::new();
            store::put_preferences(&mut commit, user, &before, &after);
            let answer = Answer::new(wire::preferences(&after)).version(before.version + 1);
            Ok::<_, Error>(Decision::new(commit, answer))
        })
        .await
    }
}
