"""The command ``psc``.

    app             its commands, but for those that have modules of their own: evaluate, priors, view
    options         the options that several commands have
    console         standard streams, names of outputs, errors and warnings as lines
    names           what files are called, and which are meant by a pattern
    dispatch        a job on one file or on many
    encode_job      what is done with one picture; encode_options: what it is asked for
    decode_job      what is done with one file
    tools           what a job works with: the prior, whom to tell
    batch           many files: which, where to, what is left; batch_report: what is seen of them
    process_pool    processes side by side; worker: what each does; search_path: where it finds modules
    progress        a bar, lines, the time left
    viewer          what ``psc view`` does
    captioner       captions by BLIP-2

What ``app`` imports at its start knows nothing of PyTorch; each command imports the rest by one statement.
"""
