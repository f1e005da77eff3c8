//! Calls in which not all use the same transport.

use muji_harness::room::Rules;

use crate::seeing::{colours, like};
use crate::support::*;

#[tokio::test]
async fn all_hear_and_see_all_whichever_transport_they_use() {
    let server = server(Rules::default()).await;
    let person = |name: &str, transport: &str, tone: &str, colour: &str| {
        let video = format!("pattern:{colour}");
        let more =
            ["--transport", transport, "--audio", tone, "--video", &video, "--json", "--seconds", "7", "--expect", "2"];
        run(call(&server, name, &more))
    };
    let romeo = person("romeo", "webrtc-ice", "tone:440", "c03030");
    let juliet = person("juliet", "webrtc-ice", "tone:660", "3040c0");
    let nurse = person("nurse", "str0m", "tone:880", "30a040");
    let (romeo, juliet, nurse) = tokio::join!(romeo, juliet, nurse);
    let people = [
        ("romeo", &romeo, 440.0, [0xC0, 0x30, 0x30]),
        ("juliet", &juliet, 660.0, [0x30, 0x40, 0xC0]),
        ("nurse", &nurse, 880.0, [0x30, 0xA0, 0x40]),
    ];
    for (name, output, ..) in &people {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {errors}");
        let events = events(output);
        for (other, _, tone, colour) in people.iter().filter(|(other, ..)| other != name) {
            let heard = events.iter().filter(|event| event["event"] == "heard" && event["nick"] == **other);
            let tones: Vec<f64> = heard.filter_map(|event| event["hz"].as_f64()).collect();
            assert!(tones.iter().filter(|hz| (*hz - tone).abs() < 3.0).count() >= 2, "{name} hears {other}: {tones:?}");
            let colours = colours(&events, other);
            assert!(colours.iter().filter(|seen| like(seen, *colour)).count() >= 2, "{name} sees {other}: {colours:?}");
        }
    }
}
