"""How the embedded prior was made: data, network, training, integers. See README.md."""
