//! Channels: the compact table against a map.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where something is not as it should be"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::channel::Ending;

const STATES: [State; 4] = [State::Free, State::Open, State::Leaving, State::Refused];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_map(steps in prop::collection::vec((1..12_u16, 0..5_usize, any::<bool>()), 0..60)) {
        let mut channels = Channels::default();
        let mut model: BTreeMap<u16, (State, usize)> = BTreeMap::new();
        for (number, step, is_owed) in steps {
            match step {
                0 => {
                    channels.open(number);
                    model.entry(number).or_insert((State::Open, 0)).0 = State::Open;
                }
                1 if is_owed => {
                    if let Some(channel) = channels.find(number) {
                        channel.endings.push_back(Ending::ByUs);
                        model.get_mut(&number).unwrap().1 += 1;
                    }
                }
                1 => {
                    if let Some(channel) = channels.find(number) {
                        channel.endings.pop_front();
                        let owed = &mut model.get_mut(&number).unwrap().1;
                        *owed = owed.saturating_sub(1);
                    }
                    channels.forget(number);
                }
                _ => {
                    let state = STATES[step - 1];
                    channels.set_state(number, state);
                    if let Some(known) = model.get_mut(&number) {
                        known.0 = state;
                    }
                }
            }
            if step != 0 && !is_owed {
                channels.set_state(number, State::Free);
                if let Some(known) = model.get_mut(&number) {
                    known.0 = State::Free;
                }
            }
            model.retain(|_, known| known.0 != State::Free || known.1 > 0);
            for number in 1..12 {
                let known = model.get(&number);
                prop_assert_eq!(channels.state(number), known.map_or(State::Free, |known| known.0));
                let found = channels.find(number).map(|channel| (channel.number, channel.endings.len()));
                prop_assert_eq!(found, known.map(|known| (number, known.1)));
            }
            let in_use = model.values().filter(|known| known.0 != State::Free).count();
            prop_assert_eq!(channels.in_use() as usize, in_use);
        }
    }
}
