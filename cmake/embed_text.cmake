# embed_text(<output.cc> <file> ...): a source file with the files' bytes, for report/assets.hh. Names are the files'
# own, without their folder.
function(embed_text output)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DFILES=${ARGN}" -P ${PROJECT_SOURCE_DIR}/cmake/embed_text_write.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed_text_write.cmake
    COMMENT "Embedding the report page" VERBATIM)
endfunction()
