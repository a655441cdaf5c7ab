# Where `cmake --install` puts the library, its headers, the CMake package and the pkg-config file.
# Tools and manual pages install themselves, in their own folders.
include(CMakePackageConfigHelpers)

install(TARGETS vmstream EXPORT vmstreamTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/lib/include/vmstream
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# The libraries behind the library: pkg-config modules whose target is PkgConfig::<NAME>.
set(VMSTREAM_PKG_CONFIG_TARGETS
  "ZSTD=libzstd;LZMA=liblzma;LZ4=liblz4;CRYPTO=libcrypto;GPGME=gpgme;XXHASH=libxxhash;EXPAT=expat")
foreach(engine IN ITEMS LIBDEFLATE=libdeflate ISAL=libisal LZO=lzo2 FUSE=fuse3)
  string(REPLACE "=" ";" parts ${engine})
  list(GET parts 0 name)
  if(TARGET PkgConfig::${name})
    list(APPEND VMSTREAM_PKG_CONFIG_TARGETS ${engine})
  endif()
endforeach()
list(TRANSFORM VMSTREAM_PKG_CONFIG_TARGETS REPLACE "^.*=" "" OUTPUT_VARIABLE modules)
list(JOIN modules " " modules)

# A static library's users must link what it stands on, a shared one's need not.
get_target_property(library_type vmstream TYPE)
if(library_type STREQUAL "SHARED_LIBRARY")
  set(VMSTREAM_PC_REQUIRES "")
  set(VMSTREAM_PC_LIBS "")
else()
  set(VMSTREAM_PC_REQUIRES "fmt zlib ${modules}")
  set(VMSTREAM_PC_LIBS "-lbz2 -pthread")
endif()

# Relative to the file itself, so that `cmake --install --prefix` and moving the tree keep it right.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(VMSTREAM_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  set(VMSTREAM_PC_PREFIX "\${pcfiledir}/${up}")
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vmstream)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/vmstreamConfig.cmake.in
  ${PROJECT_BINARY_DIR}/vmstreamConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/vmstreamConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT vmstreamTargets NAMESPACE vmstream:: DESTINATION ${package_dir})
install(FILES
  ${PROJECT_BINARY_DIR}/vmstreamConfig.cmake
  ${PROJECT_BINARY_DIR}/vmstreamConfigVersion.cmake
  DESTINATION ${package_dir})

configure_file(
  ${PROJECT_SOURCE_DIR}/cmake/vmstream.pc.in ${PROJECT_BINARY_DIR}/vmstream.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vmstream.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
