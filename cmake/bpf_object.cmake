# bpf_object(<name> <source.bpf.c> [<header> ...]): compiles the source for the BPF target and turns the object
# into <name>.skel.h. Link bpf_<name> to include it. Needs neither root nor the build host's kernel BTF.
find_program(BPF_CLANG clang REQUIRED)
find_program(BPF_STRIP llvm-strip REQUIRED)
find_program(BPFTOOL bpftool REQUIRED PATHS /usr/sbin /sbin)

function(bpf_object name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Wno-unused-parameter -Werror
            -I${CMAKE_CURRENT_SOURCE_DIR} -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    COMMAND ${BPF_STRIP} -g ${object}
    DEPENDS ${source} ${ARGN}
    COMMENT "BPF ${name}" VERBATIM)
  # bpftool writes to stdout; a shell-free redirection needs a cmake script.
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -DBPFTOOL=${BPFTOOL} -DOBJECT=${object} -DNAME=${name} -DOUTPUT=${skeleton}
            -P ${PROJECT_SOURCE_DIR}/cmake/bpf_skeleton.cmake
    DEPENDS ${object} ${PROJECT_SOURCE_DIR}/cmake/bpf_skeleton.cmake
    COMMENT "BPF skeleton ${name}" VERBATIM)
  add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_include_directories(bpf_${name} INTERFACE ${CMAKE_CURRENT_SOURCE_DIR})
  add_dependencies(bpf_${name} bpf_${name}_skeleton)
  add_dependencies(skeletons bpf_${name}_skeleton)
endfunction()
