"""Rate, distortion and perception of PSC and other codecs on a folder of pictures: ``psc evaluate``.

    codecs   the other codecs, each at its best settings, and the search for a file of a given size
    ours     the same for PSC's presets and restorations
    metrics  how near a decoded picture is to its original
    crowds   how near a crowd of decoded pictures is to photographs: Frechet distances
    run      what is to be done, doing it, the lines that are left of it
    cluster  doing it on a Ray cluster
    results  a folder of lines and pictures, merged and averaged to curves
    bd       the mean difference of rate between two curves
    figures  the curves, drawn
    report   one page of HTML

Needs ``pip install psc-codec[evaluate]``.
"""
