//! How it fails: one sentence and the exit code each.

use muji_harness::room::Rules;
use tokio::process::Command;

use crate::support::*;

#[tokio::test]
async fn a_refused_port() {
    let gone = server(Rules::default()).await.address().to_string();
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--server", &gone, "--tls", "none"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("is not reached") && why.contains("is it running"), "{why}");
}

#[tokio::test]
async fn a_wrong_password() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &[]);
    romeo.env("XMPP_PASSWORD", "thorn");
    let (code, why) = failure(romeo).await;
    assert_eq!(code, Some(3));
    assert_eq!(why, "muji-call: the server does not accept this name and password; check both");
}

#[tokio::test]
async fn a_password_from_a_file_and_none_at_all() {
    let server = server(Rules::default()).await;
    let folder = folder("password");
    let file = folder.join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut romeo = call(&server, "romeo", &["--password-file", text(&file), "--seconds", "0", "--expect", "0"]);
    romeo.env_remove("XMPP_PASSWORD");
    assert_eq!(run(romeo).await.status.code(), Some(0));
    let mut nobody = call(&server, "romeo", &["--password-file", text(&folder.join("none"))]);
    nobody.env_remove("XMPP_PASSWORD");
    let (code, why) = failure(nobody).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("none cannot be read"), "{why}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_server_elsewhere_is_not_spoken_to_without_tls() {
    let (code, why) =
        failure(program(&[ROOM, "--jid", "romeo@localhost", "--server", "192.0.2.1:5222", "--tls", "none"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("not on this machine"), "{why}");
}

#[tokio::test]
async fn an_account_without_a_name() {
    let (code, why) = failure(program(&[ROOM, "--jid", "localhost"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("must look like name@server"), "{why}");
}

#[tokio::test]
async fn wrong_words_on_the_command_line() {
    for wrong in [&["--audio", "tone:9"][..], &["--audio", "/nowhere.wav"], &["--seconds", "soon"], &["--what"]] {
        let mut arguments = vec![ROOM, "--jid", "romeo@localhost"];
        arguments.extend(wrong);
        let (code, why) = failure(program(&arguments)).await;
        assert_eq!(code, Some(2), "{wrong:?}");
        assert!(!why.is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_no_wav() {
    let folder = folder("wav");
    let file = folder.join("speech.wav");
    std::fs::write(&file, "once upon a time").unwrap();
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--audio", text(&file)])).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("speech.wav cannot be read as a WAV file"), "{why}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_file_of_another_rate_and_one_that_is_cut_off() {
    let folder = folder("rates");
    let spec = |rate| hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    for (rate, cut, sentence) in [(44_100, 0, "44100 Hz"), (48_000, 500, "cannot be read as a WAV file")] {
        let file = folder.join("speech.wav");
        let mut writer = hound::WavWriter::create(&file, spec(rate)).unwrap();
        (0..1_000i16).for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--audio", text(&file)])).await;
        assert_eq!(code, Some(2));
        assert!(why.contains("speech.wav") && why.contains(sentence), "{why}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_call_goes_on() {
    for form in ["wav", "webm"] {
        a_full_disk(form).await;
    }
}

async fn a_full_disk(form: &str) {
    let server = server(Rules::default()).await;
    let (folder, mix) = (folder(form), format!("mix.{form}"));
    std::os::unix::fs::symlink("/dev/full", folder.join(&mix)).unwrap();
    let template = folder.join(format!("{{nick}}.{form}"));
    let juliet = call(&server, "juliet", &["--seconds", "4"]);
    let romeo = call(&server, "romeo", &["--json", "--record", text(&template), "--seconds", "4", "--expect", "1"]);
    let (_, romeo) = tokio::join!(run(juliet), run(romeo));
    assert_eq!(romeo.status.code(), Some(0));
    let warnings: Vec<String> = events(&romeo)
        .into_iter()
        .filter(|event| event["event"] == "warning")
        .map(|event| event["why"].as_str().unwrap().to_owned())
        .collect();
    let wanted = format!("{mix} cannot be written: No space left");
    assert!(matches!(&warnings[..], [why] if why.contains(&wanted)), "{warnings:?}");
    let other = std::fs::metadata(folder.join(format!("juliet.{form}"))).unwrap().len();
    assert!(other > 20_000, "{other} bytes are more than a second of sound");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_recording_that_says_no_form_or_one_file_for_all() {
    for template in ["calls/{nick}", "calls/{nick}.mp3", "calls/all.wav"] {
        let output = run(program(&[ROOM, "--jid", "romeo@localhost", "--record", template])).await;
        assert_eq!(output.status.code(), Some(2));
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(why.contains("such as calls/{nick}.webm"), "{why}");
    }
}

#[cfg(not(feature = "devices"))]
#[tokio::test]
async fn a_program_without_sound_devices_says_how_to_get_one_with() {
    for wish in [&["--audio", "mic"][..], &["--audio", "mic:Headset"], &["--speaker", "default"]] {
        let mut arguments = vec![ROOM, "--jid", "romeo@localhost", "--server", "127.0.0.1:9", "--tls", "none"];
        arguments.extend(wish);
        let (code, why) = failure(program(&arguments)).await;
        assert_eq!(code, Some(2));
        assert!(why.contains("--features devices"), "{why}");
    }
}

#[tokio::test]
async fn rooms_that_do_not_let_us_in_or_are_no_place_for_a_call() {
    let romeo = || ["romeo@localhost".parse().unwrap()].into();
    let cases = [
        (Rules { capacity: Some(0), ..Rules::default() }, "the room is full"),
        (Rules { members: Some([].into()), ..Rules::default() }, "for members only"),
        (Rules { banned: romeo(), ..Rules::default() }, "you are banned"),
        (Rules { password: Some("rose".to_owned()), ..Rules::default() }, "requires a password"),
        (Rules { hides_jids: true, ..Rules::default() }, "hides who its occupants are"),
        (Rules { strips_muji: true, ..Rules::default() }, "removes call information"),
    ];
    for (rules, sentence) in cases {
        let server = server(Rules::default()).await;
        server.with_service(|service| service.rooms.set(&ROOM.parse().unwrap(), rules));
        let (code, why) = failure(call(&server, "romeo", &[])).await;
        assert_eq!(code, Some(4), "{why}");
        assert!(why.contains(sentence), "{why}");
    }
}

#[tokio::test]
async fn a_nick_in_use() {
    let server = server(Rules::default()).await;
    let mut juliet = call(&server, "juliet", &["--json"]).spawn().unwrap();
    said(&mut juliet, "joined").await;
    let (code, why) = failure(call(&server, "romeo", &["--nick", "juliet"])).await;
    assert_eq!(code, Some(2), "clap takes each option once: {why}");
    let (jid, address) = ("romeo@localhost", server.address().to_string());
    let (code, why) =
        failure(program(&[ROOM, "--jid", jid, "--nick", "juliet", "--server", &address, "--tls", "none"])).await;
    assert_eq!(code, Some(4));
    assert!(why.contains("choose another"), "{why}");
}

#[tokio::test]
async fn nobody_comes() {
    let server = server(Rules::default()).await;
    let (code, why) = failure(call(&server, "romeo", &["--seconds", "1"])).await;
    assert_eq!((code, why.as_str()), (Some(5), "muji-call: nobody else came to the call"));
}

#[tokio::test]
async fn fewer_are_heard_than_expected() {
    let server = server(Rules::default()).await;
    let silent = call(&server, "juliet", &["--audio", "none", "--seconds", "4"]);
    let romeo = call(&server, "romeo", &["--seconds", "2", "--expect", "1"]);
    let (_, (code, why)) = tokio::join!(run(silent), failure(romeo));
    assert_eq!((code, why.as_str()), (Some(1), "muji-call: 0 others were heard, 1 were expected"));
}

#[tokio::test]
async fn to_a_server_that_forgets_us_the_program_comes_back() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut romeo, "joined").await;
    server.cut();
    said(&mut romeo, "room-lost").await;
    said(&mut romeo, "joined").await;
}

/// The program where it may have only so many files and sockets open.
fn with_files(command: &Command, files: usize) -> Command {
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
    through(limited, command)
}

#[tokio::test]
async fn a_user_who_may_open_too_few_files_is_told_so_whichever_is_the_first_that_is_missing() {
    let (mut heard, mut told) = (0, 0);
    // With 6 and 7 tokio has none for its signals and panics, before we are asked.
    for files in (8..20).step_by(4) {
        let attempts = (files..files + 4).map(|files| async move {
            let server = server(Rules::default()).await;
            let more = ["--audio", "tone:440", "--video", "pattern:c03030", "--seconds", "4"];
            let romeo = with_files(&call(&server, "romeo", &[&more[..], &["--expect", "1"]].concat()), files);
            let juliet = call(&server, "juliet", &more);
            let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
            assert!(juliet.status.code().is_some_and(|code| [0, 1, 5].contains(&code)), "{files} files: {juliet:?}");
            (files, romeo)
        });
        for (files, romeo) in futures::future::join_all(attempts).await {
            let said =
                [&romeo.stdout, &romeo.stderr].map(|output| String::from_utf8_lossy(output).into_owned()).concat();
            assert!(!said.contains("panicked"), "{files} files: {said}");
            let complains = said.contains("Too many open files");
            let code = romeo.status.code();
            assert!(
                if complains { code.is_some_and(|code| code > 0) } else { code == Some(0) },
                "{files} files: {code:?}: {said}"
            );
            (heard, told) = (heard + usize::from(!complains), told + usize::from(complains));
        }
    }
    assert!(heard > 0 && told > 0, "{heard} heard, {told} did not");
}
