"""Rate, distortion and perception of PSC and other codecs on a folder of pictures: ``psc evaluate``.

    codecs     the other codecs, each at its best settings, and the search for a file of a given size
    psc_codec  the same for PSC's presets and restorations
    metrics    how near a decoded picture is to its original
    frechet    how near many decoded pictures are to photographs: Frechet distances
    setup      what a run's options mean
    tasks      what is to be done
    run        doing it, and the lines that are left of it
    cluster    doing it on a Ray cluster
    results    a folder of lines and pictures, merged and averaged to curves
    curves     from lines to means over the pictures
    bd         the mean difference of rate between two curves
    figures    the curves, drawn
    report     one page of HTML

Needs ``pip install psc-codec[evaluate]``.
"""
