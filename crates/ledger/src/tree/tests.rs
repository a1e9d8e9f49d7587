//! The published vectors, and properties against the recursive definitions of RFC 6962 section 2.1.

use proptest::prelude::*;

use super::*;

fn h(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The reference tree of the Certificate Transparency repositories: eight leaves, and the root at each size.
const LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// (leaf, size, proof)
const INCLUSION: [(u64, u64, &[&str]); 4] = [
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];
/// (old size, new size, proof)
const CONSISTENCY: [(u64, u64, &[&str]); 5] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        7,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
];

fn reference_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|l| leaf_hash(&hex::decode(l).unwrap())).collect()
}

/// MTH of RFC 6962 section 2.1, over leaf hashes.
fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let k = d.len().next_power_of_two() / 2;
            node_hash(&mth(&d[..k]), &mth(&d[k..]))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    if d.len() == 1 {
        return Vec::new();
    }
    let k = d.len().next_power_of_two() / 2;
    let (mut found, sibling) = if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
    found.push(sibling);
    found
}

/// SUBPROOF of RFC 6962 section 2.1.2.
fn subproof(m: usize, d: &[Hash], complete: bool) -> Vec<Hash> {
    if m == d.len() {
        return if complete { Vec::new() } else { vec![mth(d)] };
    }
    let k = d.len().next_power_of_two() / 2;
    let (mut found, sibling) =
        if m <= k { (subproof(m, &d[..k], complete), mth(&d[k..])) } else { (subproof(m - k, &d[k..], false), mth(&d[..k])) };
    found.push(sibling);
    found
}

fn prove(plan: &ProofPlan, leaves: &[Hash]) -> Vec<Hash> {
    plan.prove(|node| {
        let start = (node.index << node.level) as usize;
        Ok::<_, ()>(mth(&leaves[start..start + (1 << node.level)]))
    })
    .unwrap()
}

#[test]
fn the_roots_are_those_of_certificate_transparency() {
    let leaves = reference_leaves();
    assert_eq!(empty_root(), h("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    assert_eq!(Frontier::default().root(), empty_root());
    let mut frontier = Frontier::default();
    for (i, leaf) in leaves.iter().enumerate() {
        frontier.push(*leaf);
        assert_eq!(frontier.root(), h(ROOTS[i]), "{} leaves", i + 1);
        assert_eq!(root_from_leaf_hashes(leaves[..=i].iter().copied()), h(ROOTS[i]));
    }
}

#[test]
fn the_inclusion_proofs_are_those_of_certificate_transparency() {
    let leaves = reference_leaves();
    for (index, size, proof) in INCLUSION {
        let proof: Vec<Hash> = proof.iter().map(|p| h(p)).collect();
        assert_eq!(prove(&inclusion_plan(index, size).unwrap(), &leaves), proof, "leaf {index} of {size}");
        verify_inclusion(&leaves[index as usize], index, size, &proof, &h(ROOTS[size as usize - 1])).unwrap();
    }
    assert_eq!(inclusion_plan(0, 0), Err(ProofError::NoSuchLeaf { index: 0, size: 0 }));
    assert!(verify_inclusion(&leaves[0], 0, 0, &[], &empty_root()).is_err());
    assert!(verify_inclusion(&leaves[0], 2, 1, &[], &h(ROOTS[0])).is_err());
    verify_inclusion(&leaves[0], 0, 1, &[], &h(ROOTS[0])).unwrap();
}

#[test]
fn the_consistency_proofs_are_those_of_certificate_transparency() {
    let leaves = reference_leaves();
    for (old, new, proof) in CONSISTENCY {
        let proof: Vec<Hash> = proof.iter().map(|p| h(p)).collect();
        assert_eq!(prove(&consistency_plan(old, new).unwrap(), &leaves), proof, "{old} to {new}");
        verify_consistency((old, &h(ROOTS[old as usize - 1])), (new, &h(ROOTS[new as usize - 1])), &proof).unwrap();
    }
}

#[test]
fn trivial_consistency_needs_the_right_roots_and_no_proof() {
    let (one, two) = (h(ROOTS[0]), h(ROOTS[1]));
    let empty = empty_root();
    verify_consistency((0, &empty), (0, &empty), &[]).unwrap();
    verify_consistency((0, &empty), (1, &one), &[]).unwrap();
    verify_consistency((1, &one), (1, &one), &[]).unwrap();
    for (old, new, proof) in [
        ((0, &one), (1, &one), vec![]),
        ((0, &empty), (0, &one), vec![]),
        ((1, &one), (1, &two), vec![]),
        ((1, &one), (0, &empty), vec![]),
        ((2, &two), (1, &one), vec![]),
        ((1, &one), (2, &two), vec![]),
        ((0, &empty), (0, &empty), vec![one]),
        ((1, &one), (1, &one), vec![one]),
    ] {
        assert!(verify_consistency(old, new, &proof).is_err(), "{old:?} {new:?}");
    }
}

#[test]
fn l01_a_proof_for_another_size_does_not_hold() {
    // The right hashes for the right root, with a size that was made up.
    let leaves = reference_leaves();
    let proof = prove(&inclusion_plan(0, 4).unwrap(), &leaves);
    verify_inclusion(&leaves[0], 0, 4, &proof, &h(ROOTS[3])).unwrap();
    let proof2 = prove(&consistency_plan(2, 4).unwrap(), &leaves);
    verify_consistency((2, &h(ROOTS[1])), (4, &h(ROOTS[3])), &proof2).unwrap();
    for size in [2, 5, 8, 9, 1 << 40] {
        assert_eq!(verify_inclusion(&leaves[0], 0, size, &proof, &h(ROOTS[3])), Err(ProofError::Length), "{size}");
        assert!(verify_consistency((2, &h(ROOTS[1])), (size, &h(ROOTS[3])), &proof2).is_err(), "{size}");
    }
}

#[test]
fn every_size_up_to_70_agrees_with_the_rfc() {
    let leaves: Vec<Hash> = (0u32..70).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let mut frontier = Frontier::default();
    for size in 1..=leaves.len() {
        frontier.push(leaves[size - 1]);
        let d = &leaves[..size];
        let root = mth(d);
        assert_eq!(frontier.root(), root);
        for m in 0..size {
            let proof = prove(&inclusion_plan(m as u64, size as u64).unwrap(), d);
            assert_eq!(proof, path(m, d), "leaf {m} of {size}");
            verify_inclusion(&d[m], m as u64, size as u64, &proof, &root).unwrap();
        }
        for old in 1..=size {
            let proof = prove(&consistency_plan(old as u64, size as u64).unwrap(), d);
            assert_eq!(proof, subproof(old, d, true), "{old} to {size}");
            verify_consistency((old as u64, &mth(&d[..old])), (size as u64, &root), &proof).unwrap();
        }
    }
}

#[test]
fn a_proof_in_a_million_leaves_needs_few_stored_nodes() {
    let size = 1_000_003;
    let inclusion = inclusion_plan(765_432, size).unwrap();
    assert!(inclusion.nodes().count() < 64);
    let consistency = consistency_plan(765_433, size).unwrap();
    assert!(consistency.nodes().count() < 64);
    for node in inclusion.nodes().chain(consistency.nodes()) {
        assert!((node.index + 1) << node.level <= size, "{node:?} is not complete");
    }
    // The far end doesn't overflow.
    assert!(inclusion_plan(MAX_SIZE - 1, MAX_SIZE).unwrap().nodes().count() > 0);
    assert!(consistency_plan(1, MAX_SIZE).unwrap().nodes().count() > 0);
}

#[test]
fn completed_nodes_are_enough_for_every_proof() {
    let mut stored = std::collections::BTreeMap::new();
    let mut frontier = Frontier::default();
    let leaves: Vec<Hash> = (0u32..33).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    for leaf in &leaves {
        frontier.push_with(*leaf, |node, hash| assert!(stored.insert(node, *hash).is_none()));
    }
    let fetch = |node| stored.get(&node).copied().ok_or(node);
    for index in 0..33 {
        let proof = inclusion_plan(index, 33).unwrap().prove(fetch).unwrap();
        verify_inclusion(&leaves[index as usize], index, 33, &proof, &frontier.root()).unwrap();
    }
}

proptest! {
    #[test]
    fn a_frontier_survives_its_bytes(count in 0usize..300, extra in 0usize..40) {
        let mut frontier = Frontier::default();
        (0..count).for_each(|i| frontier.push(leaf_hash(&i.to_be_bytes())));
        let bytes = frontier.to_bytes();
        let mut back = Frontier::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &frontier);
        (0..extra).for_each(|i| { frontier.push([i as u8; 32]); back.push([i as u8; 32]); });
        prop_assert_eq!(back.root(), frontier.root());
        prop_assert!(Frontier::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        prop_assert!(Frontier::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn l01_a_changed_inclusion_proof_does_not_hold(size in 1u64..200, pick: u64, bit in 0usize..256, what in 0u8..6) {
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let index = pick % size;
        let mut proof = prove(&inclusion_plan(index, size).unwrap(), &leaves);
        let (mut leaf, mut root, mut place) = (leaves[index as usize], mth(&leaves), index);
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
        match what {
            0 => flip(&mut leaf),
            1 => flip(&mut root),
            2 => place = (index + 1 + pick % size.max(2)) % (size + 1),
            3 => proof.push(root),
            4 if !proof.is_empty() => { proof.pop(); }
            _ if !proof.is_empty() => { let i = bit % proof.len(); flip(&mut proof[i]); }
            _ => flip(&mut leaf),
        }
        prop_assume!(what != 2 || place != index);
        prop_assert!(verify_inclusion(&leaf, place, size, &proof, &root).is_err());
    }

    #[test]
    fn l01_a_changed_consistency_proof_does_not_hold(new in 2u64..200, pick: u64, bit in 0usize..256, what in 0u8..5) {
        let leaves: Vec<Hash> = (0..new).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let old = 1 + pick % (new - 1);
        let mut proof = prove(&consistency_plan(old, new).unwrap(), &leaves);
        let (mut before, mut after) = (mth(&leaves[..old as usize]), mth(&leaves));
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
        match what {
            0 => flip(&mut before),
            1 => flip(&mut after),
            2 => proof.push(after),
            3 => { proof.pop(); }
            _ => { let i = bit % proof.len(); flip(&mut proof[i]); }
        }
        prop_assert!(verify_consistency((old, &before), (new, &after), &proof).is_err());
    }
}
