//! Topics and agreement against values worked out by hand or by scikit-learn 1.9.

use ndarray::{Array2, array};
use nmf_core::Sparse;
use nmf_text::agreement::{agreement, ari, nmi, purity};
use nmf_text::topics::{
    document_topic_shares, documents_per_topic, npmi, similarity, single_topic_share, strongest_topic, top_documents,
    top_terms, top_words,
};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-14, "{a} {b}");
}

const A: [u8; 10] = [0, 0, 0, 1, 1, 2, 2, 2, 2, 1];
const B: [char; 10] = ['x', 'x', 'y', 'y', 'y', 'z', 'z', 'z', 'x', 'z'];

#[test]
fn agreement_measures() {
    // normalized_mutual_info_score(A, B), adjusted_rand_score(A, B)
    close(nmi(&A, &B).unwrap(), 0.44270128334605);
    close(ari(&A, &B).unwrap(), 0.20454545454545456);
    // by hand: clusters {x,x,y}, {y,y,z}, {z,z,z,x}: 2 + 2 + 3 of 10
    close(purity(&A, &B).unwrap(), 0.7);
    close(nmi(&B, &A).unwrap(), nmi(&A, &B).unwrap());
    close(ari(&B, &A).unwrap(), ari(&A, &B).unwrap());
    let (p, q) = ([0, 1, 0, 1], [0, 0, 1, 1]);
    assert_eq!(nmi(&p, &q).unwrap(), 0.0);
    close(ari(&p, &q).unwrap(), -0.5);
    for (a, b, n, r) in
        [(&[0, 0][..], &[1, 1][..], 1.0, 1.0), (&[0, 1], &[1, 0], 1.0, 1.0), (&[0, 0, 0], &[0, 1, 2], 0.0, 0.0)]
    {
        assert_eq!((nmi(a, b).unwrap(), ari(a, b).unwrap()), (n, r));
    }
    assert!(nmi(&[1], &[1, 2]).is_err() && purity::<u8, u8>(&[], &[]).is_err());
}

#[test]
fn agreement_leaves_out_documents_without_label() {
    let topics = [Some(0), Some(0), Some(1), None];
    let labels = ["a", "a", "b", ""].map(String::from);
    let a = agreement(&topics, &labels).unwrap();
    assert_eq!((a.nmi, a.ari, a.purity, a.documents), (1.0, 1.0, 1.0, 3));
    assert!(agreement(&topics, &labels[..3]).unwrap_err().to_string().contains("4 documents"));
}

#[test]
fn words_of_topics() {
    let h = array![[0.1f32, 3.0, 0.0, 2.0], [1.0, 0.5, 1.0, f32::NAN], [0.0, 0.0, 0.0, 0.0]];
    assert_eq!(top_terms(h.view(), 3), [vec![1, 3, 0], vec![0, 2, 1], vec![]]);
    assert_eq!(top_terms(h.view(), 0), vec![Vec::<usize>::new(); 3]);
    let vocabulary = ["a", "b", "c", "d"].map(String::from);
    let words = top_words(h.view(), &vocabulary, 2).unwrap();
    assert_eq!(words[0], [("b".to_string(), 3.0), ("d".to_string(), 2.0)]);
    assert!(top_words(h.view(), &vocabulary[..3], 2).is_err());
}

#[test]
fn shares_do_not_depend_on_scale() {
    let w = array![[1.0, 1.0], [3.0, 0.0], [0.0, 0.0], [1.0, 3.0]];
    let h = array![[1.0, 2.0, 0.0], [0.0, 0.5, 0.5]];
    let shares = document_topic_shares(w.view(), h.view()).unwrap();
    // ‖h₁‖₁ = 3, ‖h₂‖₁ = 1: rows (3, 1), (9, 0), (0, 0), (3, 3)
    assert_eq!(shares, array![[0.75, 0.25], [1.0, 0.0], [0.0, 0.0], [0.5, 0.5]]);
    let scaled =
        document_topic_shares((&w * &array![[8.0, 0.25]]).view(), (&h * &array![[0.125], [4.0]]).view()).unwrap();
    assert_eq!(scaled, shares);
    let strongest = strongest_topic(shares.view());
    assert_eq!(strongest, [Some(0), Some(0), None, Some(0)]);
    assert_eq!(documents_per_topic(&strongest, 2), [3, 0]);
    assert_eq!(single_topic_share(shares.view()), 0.75);
    assert_eq!(single_topic_share(array![[1.0f32, 1.0, 1.0], [2.0, 1.0, 1.0]].view()), 0.5);
    assert_eq!(single_topic_share(Array2::<f64>::zeros((0, 2)).view()), 0.0);
    assert!(document_topic_shares(w.view(), w.view()).is_err());
}

#[test]
fn similarity_is_the_cosine_of_rows() {
    let h = array![[1.0f32, 0.0, 1.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [5.0, 0.0, 5.0]];
    let s = similarity(h.view());
    let r = 0.5f64.sqrt();
    let expected = [
        [1.0, 0.5, 0.0, 0.0, 1.0],
        [0.5, 1.0, 0.0, r, 0.5],
        [0.0; 5],
        [0.0, r, 0.0, 1.0, 0.0],
        [1.0, 0.5, 0.0, 0.0, 1.0],
    ];
    s.indexed_iter().for_each(|((i, j), v)| close(*v, expected[i][j]));
}

#[test]
fn documents_of_topics() {
    // shares of topic 0: 1, 1, 1/2, 0, 0.9; expected words of it: 1, 16, 100, 0, 90
    let w = array![[1.0, 0.0], [16.0, 0.0], [100.0, 100.0], [0.0, 0.0], [90.0, 10.0]];
    let h = array![[0.25, 0.75], [1.0, 0.0]];
    let shares = document_topic_shares(w.view(), h.view()).unwrap();
    // 1, 4, 2.5, –, 7.68; and of topic 1: –, –, 2.5, –, 0.03
    let top = |n| top_documents(w.view(), h.view(), shares.view(), n).unwrap();
    assert_eq!(top(9), [vec![4, 1, 2, 0], vec![2, 4]]);
    assert_eq!(top(1), [[4], [2]]);
    // whatever the scale of a topic's row
    let (w2, h2) = (&w * &array![[8.0, 0.25]], &h * &array![[0.125], [4.0]]);
    assert_eq!(top_documents(w2.view(), h2.view(), shares.view(), 9).unwrap(), top(9));
    assert!(top_documents(w.view(), h.view(), w.slice(ndarray::s![..2, ..]), 1).is_err());
}

#[test]
fn coherence() {
    // words in documents: 0 in {0,1}, 1 in {0,1}, 2 in {0,2}, 3 in {3}, 4 in all, 5 in all, 6 in none
    let dense = array![
        [1.0f32, 2.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0],
        [0.0, 0.0, 3.0, 0.0, 1.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    ];
    let mut csr = sprs::TriMatI::<f32, u32>::new((4, 7));
    dense.indexed_iter().filter(|(_, v)| **v > 0.0).for_each(|((i, j), &v)| csr.add_triplet(i, j, v));
    let counts: Sparse<f32> = csr.to_csr();
    let of = |words: &[usize]| npmi(&[words.to_vec()], &counts).unwrap()[0];
    assert_eq!(of(&[0, 1]), Some(1.0)); // only together: ln(.5/.25) / -ln .5
    assert_eq!(of(&[0, 2]), Some(0.0)); // .25 = .5·.5, as by chance
    assert_eq!(of(&[0, 3]), Some(-1.0)); // never
    assert_eq!(of(&[0, 4]), Some(0.0)); // a word of every document says nothing
    assert_eq!(of(&[4, 5]), Some(1.0)); // the limit
    assert_eq!(of(&[0, 6]), Some(-1.0));
    assert_eq!(of(&[3]), None);
    close(of(&[0, 1, 2]).unwrap(), 1.0 / 3.0);
    assert_eq!(npmi(&[vec![0, 1], vec![2, 3]], &counts.to_csc()).unwrap(), [Some(1.0), Some(-1.0)]);
    assert!(npmi(&[vec![7]], &counts).unwrap_err().to_string().contains("below 7"));
}
