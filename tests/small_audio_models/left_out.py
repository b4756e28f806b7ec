"""Model types with an extractor of sounds that are not among the small models, and why."""

REASONS: dict[str, str] = {
    "clvp": "Speaks; sound enters with the text, as the voice to imitate, and a speech of tokens is compared with it.",
    "dia": "Speaks; its encoder reads text, and sound enters as the codes of another model, a DAC.",
    "gemma4_unified": "Has no blocks that hear: one projection takes pieces of the waveform to the language model.",
    "gradium_phonon_tts": "Speaks; sound enters as the latents of another model, as the voice to imitate.",
    "inkling_mm_model": "Has no blocks that hear: a table of embeddings takes a spectrogram to the language model.",
    "musicgen_melody": "Writes music; of a melody it takes the twelve pitch classes alone, through one projection.",
    "pocket_tts": "Speaks; sound enters as the latents of another model, pocket_tts_audio_tokenizer.",
    "pop2piano": "Cuts sound at beats that essentia finds, so that its frames have no fixed rate.",
    "univnet": "Speaks: it turns a spectrogram to a waveform.",
}
"""By model type, one sentence each."""
