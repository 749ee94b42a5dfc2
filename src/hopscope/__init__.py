"""hopscope: build a container network, send a packet, and see every hop it takes."""
