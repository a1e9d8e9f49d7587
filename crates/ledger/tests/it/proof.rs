//! One event's proof: that it shows what is so, and nothing that is not.

use std::collections::BTreeMap;

use ajar_ledger::checkpoint::CheckpointError;
use ajar_ledger::note::{NoteError, Signer};
use ajar_ledger::proof::{InclusionProof, NotProven, check};
use ajar_ledger::tree::{Hash, TILE, Tiles, inclusion_plan, leaf_hash};
use proptest::prelude::*;

use crate::world::{key, signer};

fn leaf(seq: u64) -> String {
    format!(
        r#"{{"seq":{seq},"stream":"req_{seq:026}","version":1,"kind":"request.filed","schema":1,"at":"2026-03-03T10:00:00.{:03}Z","body":{{"why":"a \"line\"\nü\u2028\u001f"}}}}"#,
        seq % 1_000
    )
}

/// Proofs as a server makes them: of what it keeps, and the leaves of as few tiles as it can.
struct Log {
    leaves: Vec<Hash>,
    tiles: Tiles,
}

impl Log {
    fn of(size: u64) -> Self {
        let leaves: Vec<Hash> = (0..size).map(|seq| leaf_hash(leaf(seq).as_bytes())).collect();
        let mut tiles = Tiles::default();
        leaves.iter().for_each(|hash| tiles.push(*hash));
        Self { leaves, tiles }
    }

    fn prove_by(&self, seq: u64, signer: &Signer) -> InclusionProof {
        let plan = inclusion_plan(seq, self.tiles.size()).unwrap();
        let needs = Tiles::needs(&plan);
        assert!(needs.len() <= 2, "{needs:?}");
        let tile = |from: u64| (from, self.leaves[from as usize..].iter().take(TILE as usize).copied().collect());
        let fetched: BTreeMap<u64, Vec<Hash>> = needs.into_iter().map(tile).collect();
        let hash = |node| self.tiles.hash(node, &fetched).ok_or(NotProven::Differs("tree"));
        InclusionProof::make(&leaf(seq), &plan, hash, self.tiles.frontier(), signer).unwrap()
    }

    fn prove(&self, seq: u64) -> InclusionProof {
        self.prove_by(seq, &signer())
    }
}

fn file(proof: &InclusionProof) -> Vec<u8> {
    serde_json::to_vec(proof).unwrap()
}

fn refused(proof: &InclusionProof) -> NotProven {
    check(&file(proof), &key()).unwrap_err()
}

#[test]
fn i16_an_event_is_proven_by_a_file_alone() {
    let log = Log::of(20);
    for seq in 0..20 {
        let mut file = file(&log.prove(seq));
        let proven = check(&file, &key()).unwrap();
        assert_eq!((proven.seq, proven.event, proven.checkpoint.size), (seq, leaf(seq), 20));
        file.push(b'\n');
        assert!(check(&file, &key()).is_ok(), "as a text file it ends with a line break");
    }
}

#[test]
fn l01_every_bit_flipped_is_refused() {
    for (size, seq) in [(1, 0), (7, 3), (1_030, 1_026)] {
        let mut file = file(&Log::of(size).prove(seq));
        file.push(b'\n');
        for bit in 0..file.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&file, &key()).is_err(), "{size}, {seq}: bit {bit} of {}", String::from_utf8_lossy(&file));
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(check(&file, &key()).is_ok());
    }
}

#[test]
fn l01_no_byte_is_taken_away_added_or_doubled() {
    let file = file(&Log::of(7).prove(3));
    for at in 0..file.len() {
        let (mut less, mut more, mut space) = (file.clone(), file.clone(), file.clone());
        less.remove(at);
        more.insert(at, file[at]);
        space.insert(at, b' ');
        for changed in [&less, &more, &space, &file[..at].to_vec()] {
            assert!(check(changed, &key()).is_err(), "{at}: {}", String::from_utf8_lossy(changed));
        }
    }
    assert_eq!(check(&[file.as_slice(), b"\n\n"].concat(), &key()), Err(NotProven::Spelling));
    assert!(matches!(check(&vec![b' '; ajar_ledger::proof::PROOF_MAX + 1], &key()), Err(NotProven::Malformed(_))));
    assert!(check("[".repeat(100_000).as_bytes(), &key()).is_err());
}

#[test]
fn l01_only_what_the_trusted_key_signed_is_proven() {
    let (log, thief) = (Log::of(20), Signer::from_seed("ledger.example/orders", &[8; 32]).unwrap());
    let theirs = log.prove_by(4, &thief);
    assert_eq!(refused(&theirs), NotProven::OtherKey { named: thief.verifier().to_string() });
    let as_ours = InclusionProof { key: key().to_string(), ..theirs };
    assert!(matches!(refused(&as_ours), NotProven::Checkpoint(CheckpointError::Note(NoteError::Unknown(_)))));
}

#[test]
fn l01_what_it_says_is_what_was_signed() {
    let (log, longer) = (Log::of(20), Log::of(21));
    let (four, five) = (log.prove(4), log.prove(5));
    let says = |proof: InclusionProof| refused(&proof);
    assert_eq!(says(InclusionProof { seq: 5, ..four.clone() }), NotProven::Differs("seq"));
    assert_eq!(says(InclusionProof { kind: "grant.opened".into(), ..four.clone() }), NotProven::Differs("kind"));
    assert_eq!(says(InclusionProof { at: five.at.clone(), ..four.clone() }), NotProven::Differs("at"));
    assert_eq!(says(InclusionProof { size: 21, ..four.clone() }), NotProven::Differs("size"));
    assert_eq!(says(InclusionProof { root: longer.prove(4).root, ..four.clone() }), NotProven::Differs("root"));
    assert_eq!(says(InclusionProof { leaf_hash: five.leaf_hash.clone(), ..four.clone() }), NotProven::Differs("leaf_hash"));
    assert_eq!(says(InclusionProof { leaf_hash: four.leaf_hash.to_uppercase(), ..four.clone() }), NotProven::Differs("leaf_hash"));
    let upper = four.path.iter().map(|hash| hash.to_uppercase()).collect();
    assert_eq!(says(InclusionProof { path: upper, ..four.clone() }), NotProven::Differs("path"));
    assert!(matches!(says(InclusionProof { path: five.path.clone(), ..four.clone() }), NotProven::Inclusion(_)));
    assert!(matches!(says(InclusionProof { path: Vec::new(), ..four.clone() }), NotProven::Inclusion(_)));
    let (event, hash) = (leaf(4).replace("\\\"line\\\"", "lie"), |event: &str| hex::encode(leaf_hash(event.as_bytes())));
    let forged = InclusionProof { leaf_hash: hash(&event), event, ..four.clone() };
    assert!(matches!(says(forged), NotProven::Inclusion(_)));
    let checkpoint = longer.prove(4).checkpoint;
    assert_eq!(says(InclusionProof { checkpoint, ..four }), NotProven::Differs("size"));
}

#[test]
fn what_was_reformatted_is_said_to_be_so() {
    let proof = Log::of(7).prove(3);
    let pretty = serde_json::to_vec_pretty(&proof).unwrap();
    assert_eq!(check(&pretty, &key()), Err(NotProven::Spelling));
    assert!(NotProven::Spelling.to_string().contains("reformatted"));
    let more = String::from_utf8(file(&proof)).unwrap().replacen("{", "{\"sound\":true,", 1);
    assert!(matches!(check(more.as_bytes(), &key()), Err(NotProven::Malformed(_))));
}

#[test]
fn a_server_whose_hashes_are_not_the_trees_hands_out_no_proof() {
    let log = Log::of(20);
    let plan = inclusion_plan(4, 20).unwrap();
    let made = InclusionProof::make(&leaf(4), &plan, |_| Ok([7; 32]), log.tiles.frontier(), &signer());
    assert!(matches!(made, Err(NotProven::Inclusion(_))));
    let other = InclusionProof::make(&leaf(3), &plan, |_| Ok([7; 32]), log.tiles.frontier(), &signer());
    assert!(matches!(other, Err(NotProven::Inclusion(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i16_proofs_are_those_of_the_tree(size in 1u64..6_000, at in 0.0f64..1.0) {
        let log = Log::of(size);
        let seq = ((size as f64 * at) as u64).min(size - 1);
        let proof = log.prove(seq);
        // The recursive definition of RFC 6962, section 2.1.1.
        fn path(leaves: &[Hash], at: usize) -> Vec<Hash> {
            if leaves.len() < 2 {
                return Vec::new();
            }
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            let root = |of: &[Hash]| ajar_ledger::tree::root_from_leaf_hashes(of.iter().copied());
            let (mut below, beside) = if at < left.len() { (path(left, at), root(right)) } else { (path(right, at - left.len()), root(left)) };
            below.push(beside);
            below
        }
        prop_assert_eq!(&proof.path, &path(&log.leaves, seq as usize).iter().map(hex::encode).collect::<Vec<_>>());
        prop_assert!(check(&file(&proof), &key()).is_ok());
        for other in [seq.wrapping_add(1), seq.wrapping_sub(1)].into_iter().filter(|other| *other < size) {
            let moved = InclusionProof { path: log.prove(other).path, ..proof.clone() };
            // Neighbours share their path but for its first hash.
            prop_assert!(check(&file(&moved), &key()).is_err());
        }
    }
}
