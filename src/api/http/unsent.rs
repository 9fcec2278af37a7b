//! Replies on their way to a socket: which piece of them is next.

use crate::model::quota::MAX_PIECE_BYTES;

/// Replies that the socket has not taken whole.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// Replies, one behind the other.
    replies: Vec<u8>,
    /// What follows on them: the body of the last one when it is large, where it was made.
    large: Vec<u8>,
    /// How much of both the socket has taken.
    sent: usize,
}

impl Unsent {
    pub(super) fn new(replies: Vec<u8>, large: Vec<u8>) -> Self {
        Self { replies, large, sent: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.replies.len() + self.large.len()
    }

    /// What is to be sent next, in two parts, the second only behind the end of the first: at most [`MAX_PIECE_BYTES`], and all
    /// there is when it is no more than that.
    pub(super) fn piece(&self) -> (&[u8], &[u8]) {
        let replies = &self.replies[self.sent.min(self.replies.len())..];
        let large = &self.large[self.sent.saturating_sub(self.replies.len())..];
        let replies = &replies[..replies.len().min(MAX_PIECE_BYTES)];
        (replies, &large[..large.len().min(MAX_PIECE_BYTES - replies.len())])
    }

    /// Goes on behind so many bytes of the piece.
    pub(super) fn advance(&mut self, sent: usize) {
        self.sent += sent;
    }

    /// The buffer of the replies, when they are sent.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.replies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of all pieces, of which the socket takes at most `most` bytes at once.
    fn pieces(replies: usize, large: usize, most: usize) -> Vec<(usize, usize)> {
        let whole: Vec<u8> = (0..replies + large).map(|place| (place % 251) as u8).collect();
        let mut unsent = Unsent::new(whole[..replies].to_vec(), whole[replies..].to_vec());
        let (mut sent, mut sizes) = (Vec::new(), Vec::new());
        while !unsent.is_empty() {
            let (first, second) = unsent.piece();
            sizes.push((first.len(), second.len()));
            let taken = [first, second].concat();
            let taken = &taken[..taken.len().min(most)];
            sent.extend_from_slice(taken);
            unsent.advance(taken.len());
        }
        assert!(sent == whole, "{replies} and {large} bytes, {most} at once");
        sizes
    }

    #[test]
    fn what_is_small_is_one_piece() {
        assert_eq!(pieces(200, 0, usize::MAX), [(200, 0)]);
        assert_eq!(pieces(MAX_PIECE_BYTES, 0, usize::MAX), [(MAX_PIECE_BYTES, 0)]);
        assert!(Unsent::default().is_empty());
    }

    #[test]
    fn what_is_large_goes_out_whole_and_in_order() {
        const MOST: usize = MAX_PIECE_BYTES;
        assert_eq!(pieces(MOST + 1, 0, usize::MAX), [(MOST, 0), (1, 0)]);
        assert_eq!(pieces(200, 2 * MOST, usize::MAX), [(200, MOST - 200), (0, MOST), (0, 200)]);
        assert_eq!(pieces(MOST + 100, MOST, usize::MAX), [(MOST, 0), (100, MOST - 100), (0, 100)]);
        for most in [1, 199, 200, 201, MOST - 1] {
            pieces(200, MOST + 300, most);
        }
    }
}
