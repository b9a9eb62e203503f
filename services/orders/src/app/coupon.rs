//! CreateCoupon.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::keys::COUPONS;
use crate::wire;

const RPC: &str = "vitrina.orders.v1.Orders/CreateCoupon";

impl App {
    /// Makes a coupon; one with the same terms stays as it is, one with others is in the way.
    pub(crate) async fn create_coupon(
        &self,
        call: Call<pb::CreateCouponRequest>,
    ) -> Result<Answer<pb::Coupon>, Error> {
        let (code, coupon) = wire::new_coupon(&call.request)?;
        unit(&self.store, &call, RPC, || {
            let reply = |uses| Answer::new(pb::Coupon { code: code.clone(), uses });
            match COUPONS.get(&self.store, &code)? {
                Some(known) if known.value.has_terms_of(&coupon) => {
                    Ok(Decision::unchanged(reply(known.value.uses)))
                }
                Some(_) => Err(Error::CouponTaken),
                None => {
                    let mut commit = Commit::new();
                    commit.expect_absent(&COUPONS, &code).put(&COUPONS, &code, &coupon);
                    Ok(Decision::new(commit, reply(0)))
                }
            }
        })
        .await
    }
}
