//! How a login ends, whatever it did and whatever goes wrong meanwhile.
use crate::on_both;
use ajar_core::port::Connector as _;

on_both! {
    async fn i11_revoked_means_that_the_target_shows_nothing(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute("CREATE TABLE mine (x int); CREATE TEMP TABLE t (x int)").await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!((proof.terminated, proof.owned), (1, 1), "{proof:?}");
    }
}
