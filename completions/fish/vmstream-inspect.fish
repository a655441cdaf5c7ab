# SPDX-License-Identifier: MIT
# fish completion for vmstream-inspect
complete -c vmstream-inspect -n __fish_use_subcommand -a 'info sections devices device ram hexdump vmdesc dump extract verify index memory-map mount explain registers memory translate gdb report'
complete -c vmstream-inspect -n '__fish_seen_subcommand_from extract' -a 'ram block section stream vmdesc xml cookie physical core kdump lime avml'
complete -c vmstream-inspect -l passphrase-file -d 'file with the passphrase' -r
complete -c vmstream-inspect -l passphrase-fd -d 'descriptor to read the passphrase from' -x
complete -c vmstream-inspect -l digest -d 'also compute the SHA-256 of the plain stream'
complete -c vmstream-inspect -l full-scan -d 'read the RAM of large plain files too'
complete -c vmstream-inspect -l passes -d 'ram: pages and bytes of each pass'
complete -c vmstream-inspect -l resends -d 'ram: pages by how often they were sent'
complete -c vmstream-inspect -l map -d 'ram: a picture of each block'
complete -c vmstream-inspect -l multifd -d 'the files are parts of one guest'
complete -c vmstream-inspect -l block -d 'the RAM block or disk to extract' -x
complete -c vmstream-inspect -l section -d 'hexdump, extract: this section only' -x
complete -c vmstream-inspect -s o -l output -d 'where the part goes' -r
complete -c vmstream-inspect -l force -d 'replace an existing file'
complete -c vmstream-inspect -l instance -d 'show only the device with this instance id' -x
complete -c vmstream-inspect -l schema -d 'describe devices as the stream or dump in this file does' -r
complete -c vmstream-inspect -l no-offsets -d 'dump: leave the offsets out'
complete -c vmstream-inspect -l format -d 'form of a dump' -x -a 'json xml qemu'
complete -c vmstream-inspect -l offset -d 'hexdump: from this offset on' -x
complete -c vmstream-inspect -l length -d 'hexdump: so many bytes' -x
complete -c vmstream-inspect -l error -d 'explain: what QEMU said' -x
complete -c vmstream-inspect -l cpu -d 'of this processor only' -x
complete -c vmstream-inspect -l virtual -d 'memory: the address is virtual'
complete -c vmstream-inspect -l root -d 'memory, translate: where the page tables begin' -x
complete -c vmstream-inspect -l raw -d 'memory: the bytes as they are'
complete -c vmstream-inspect -l qemu -d 'explain: the release that is to load it' -x
complete -c vmstream-inspect -l place -d 'where a block of memory begins' -x
complete -c vmstream-inspect -l compress -d 'extract kdump: how pages are packed' -x -a 'zlib lzo zstd'
complete -c vmstream-inspect -l with-firmware -d 'images: ROMs and memory of devices too'
complete -c vmstream-inspect -l idle -d 'mount: ends when nobody has read for that long' -x
complete -c vmstream-inspect -l background -d 'mount: goes on in a process of its own'
complete -c vmstream-inspect -l record -d 'images: write down what was done' -r
complete -c vmstream-inspect -s q -l quiet -d 'print errors only'
complete -c vmstream-inspect -s v -l verbose -d 'say what is being done and how it went'
complete -c vmstream-inspect -l progress -d 'how to show progress' -x -a 'auto always never json'
complete -c vmstream-inspect -l progress-fd -d 'write JSON progress to this descriptor' -x
complete -c vmstream-inspect -l json -d 'print the result as JSON'
complete -c vmstream-inspect -l color -d 'colour messages' -x -a 'auto always never'
complete -c vmstream-inspect -l threads -d 'cores to use' -x
complete -c vmstream-inspect -s h -d 'print a short help'
complete -c vmstream-inspect -l help -d 'print help'
complete -c vmstream-inspect -l version -d 'print version, codecs and engines'
