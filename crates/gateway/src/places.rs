//! Places for connections: so many in all, and so many from one address (P7, O1).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are taken, and from where.
#[derive(Debug, Default)]
pub struct Places(Mutex<(usize, HashMap<IpAddr, usize>)>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// Takes one, if fewer than `most` are taken, and fewer than `most_each` from this address.
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: usize, most_each: usize) -> Option<Place> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *guard;
        let here = each.get(&address).copied().unwrap_or(0);
        if *all >= most || here >= most_each {
            return None;
        }
        *all += 1;
        each.insert(address, here + 1);
        Some(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guard = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *guard;
        *all = all.saturating_sub(1);
        if let Some(here) = each.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                each.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o01_nobody_takes_all_places_and_who_leaves_makes_room() {
        let places = Arc::new(Places::default());
        let from = |who: u8, most_each| -> Vec<Place> {
            std::iter::from_fn(|| places.enter(IpAddr::from([10, 0, 0, who]), 20, most_each)).collect()
        };
        let mut one = from(1, 4);
        assert_eq!(one.len(), 4);
        one.pop();
        assert_eq!(from(1, 4).len(), 1);
        let many = from(2, usize::MAX);
        assert_eq!((many.len(), from(3, 4).len()), (17, 0));
        drop((one, many));
        assert_eq!(places.0.lock().unwrap().1.len(), 0, "nobody is remembered");
    }
}
