# What every target of the project is compiled with: language, warnings, hardening, sanitizers.
add_library(vmstream_build INTERFACE)
target_compile_features(vmstream_build INTERFACE cxx_std_20)
target_compile_options(vmstream_build INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion
  # United, a file is a header to these: it shadows names of the one before it, and has its own types.
  $<IF:$<BOOL:${VMSTREAM_UNITED}>,$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>,-Wshadow>
  $<$<BOOL:${VMSTREAM_WERROR}>:-Werror>
  # g++ 12 sees overlaps in std::string that are not there (GCC bug 105651)
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(vmstream_build INTERFACE _GLIBCXX_ASSERTIONS)

if(VMSTREAM_SANITIZE)
  target_compile_options(vmstream_build INTERFACE
    -fsanitize=${VMSTREAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vmstream_build INTERFACE -fsanitize=${VMSTREAM_SANITIZE})
else()
  # Level 3 needs g++ 12 or clang 9, and glibc 2.34; older ones say that they take it for 2.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_cxx_source_compiles("#include <features.h>
    #if __USE_FORTIFY_LEVEL < 3
    #error no level 3
    #endif
    int main() {}" VMSTREAM_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  set(fortify $<IF:$<BOOL:${VMSTREAM_FORTIFY_3}>,3,2>)
  target_compile_options(vmstream_build INTERFACE
    -fstack-protector-strong $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=${fortify}>)
  target_link_options(vmstream_build INTERFACE -Wl,-z,relro,-z,now)
endif()

# Programs are position independent too, when compiled and when linked.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

# vmstream_unite_folders(TARGET [ALONE...] [HEADERS HEADER... | HEADERS_OF OTHER]): with VMSTREAM_UNITED
# the sources of a folder are compiled as one, which reads once what they all include, and the HEADERS,
# which nearly all of them need, are read once for the target, or once for it and the OTHER one. Those of
# ALONE stay alone: each has a name of its own that another file of its folder has, too.
function(vmstream_unite_folders target)
  if(NOT VMSTREAM_UNITED)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" HEADERS_OF HEADERS)
  if(arg_HEADERS_OF)
    target_precompile_headers(${target} REUSE_FROM ${arg_HEADERS_OF})
  else()
    target_precompile_headers(${target} PRIVATE
      <algorithm> <functional> <map> <memory> <optional> <string> <vector> <fmt/format.h>
      ${arg_HEADERS})
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    cmake_path(ABSOLUTE_PATH source)
    cmake_path(GET source FILENAME name)
    if(NOT name IN_LIST arg_UNPARSED_ARGUMENTS)
      cmake_path(GET source PARENT_PATH folder)
      cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
      string(MAKE_C_IDENTIFIER ${folder} group)
      set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${group})
    endif()
  endforeach()
endfunction()

# vmstream_add_twin(NAME TYPE): the library once more from the same objects, STATIC or SHARED. Built
# where it is needed.
function(vmstream_add_twin name type)
  add_library(${name} ${type} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:vmstream>)
  get_target_property(libraries vmstream LINK_LIBRARIES)
  target_link_libraries(${name} PRIVATE ${libraries})
  target_include_directories(${name}
    INTERFACE $<TARGET_PROPERTY:vmstream,INTERFACE_INCLUDE_DIRECTORIES>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()

# vmstream_export_public_api(TARGET): of the library as a shared one. What no public header declares
# stays inside.
function(vmstream_export_public_api target)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(map ${CMAKE_CURRENT_BINARY_DIR}/${target}.map)
  add_custom_command(TARGET ${target} PRE_LINK VERBATIM
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/cmake/public_api.py
      ${PROJECT_SOURCE_DIR}/lib/include ${map})
  target_link_options(${target} PRIVATE LINKER:--version-script=${map})
endfunction()
