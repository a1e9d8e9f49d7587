#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ajar_fuzz::ledger::proof(data));
