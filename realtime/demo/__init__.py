"""The demo: people with real clients on real sockets, and proof of what reached them.

A dozen people sign up at a server process, talk, post photographs, like, comment and follow,
while their connections are cut and the server is killed. Whatever a call acknowledged goes
into a model of the world; at the end that model says what every device should have received,
once and in order, and what a fresh look at the server should show.

    world, circles    the model: what was acknowledged, and who should have heard of it (pure)
    record            what one device has received (pure)
    check, state      the two compared (pure)
    server, relay     a server process, and lines to it that break
    person, story     who does what
    attaching         what they do with films, moving images and voices, made by films
    gallery, playing  whether media are there, as a player takes them, and for whom
    run, report       all of it together, and what it says in the end
"""
