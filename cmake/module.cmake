# tl_module(<name> SOURCES ... [USES ...]): one static library for one folder of src/.
# USES is the link graph, and the same table as tests/layering.py checks on the includes.
# ONCE: what runs a few times a command, not per packet or sample, is compiled at -O1: a third less compile time.
function(tl_module name)
  cmake_parse_arguments(ARG "ONCE" "" "SOURCES;USES" ${ARGN})
  add_library(tl_${name} STATIC ${ARG_SOURCES})
  target_include_directories(tl_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(tl_${name} PUBLIC tl_flags ${ARG_USES})
  if(ARG_ONCE)
    target_compile_options(tl_${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
  endif()
endfunction()
