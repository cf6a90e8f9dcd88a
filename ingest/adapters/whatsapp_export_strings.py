"""The words that WhatsApp itself writes into chat exports, in its languages.

Owns facts alone: what the apps' own translations say for a deleted message, for media that was left
out or attached, and for an edit. Folded as `whatsapp_export_text.folded` folds: lower case, no
direction marks, no full stop at the end. `%` stands for a name. Matched against whole bodies only.
"""

from __future__ import annotations

from typing import Final

# A message whose content has not come yet. Of few languages: in
# the others it is read as a message.
WAITING: Final = tuple("""\
aguardando mensagem. essa ação pode levar alguns instantes
esperando el mensaje. esto puede tardar un tiempo
esperando el mensaje. esto puede tomar tiempo
esperando mensaje, esto puede tomar tiempo
in attesa del messaggio. potrebbe volerci più tempo
in attesa del messaggio. potrebbe volerci un po' di tempo
in attesa del messaggio. potrebbe volerci un po’ di tempo
waiting for this message. this may take a while
""".splitlines())
# A message that its sender took back, as the others see it.
DELETED: Final = tuple("""\
acest mesaj a fost șters
aquest missatge està esborrat
aquest missatge s'ha suprimit
bu ismarıc silindi
bu mesaj silindi
ce message a été supprimé
denne besked blev slettet
denne besked er blevet slettet
denne meldingen ble slettet
det här meddelandet raderades
detta meddelande raderades
diese nachricht wurde gelöscht
dit bericht is verwijderd
esta mensagem foi apagada
esta mensagem foi apagada pelo remetente
este mensaje fue eliminado
ez az üzenet törlésre került
hierdie boodskap was uitgevee
itong mensahe ay binura na
mensagem apagada
mesej ini telah dipadam
ova je poruka izbrisana
ova poruka je izbrisana
pesan ini dihapus
pesan ini telah dihapus
questo messaggio è stato eliminato
scriosadh an teachtaireacht seo
se eliminó este mensaje
see sõnum on kustutatud
ta wiadomość została usunięta
tato zpráva byla odstraněna
tato zpráva byla smazána
this message has been deleted
this message was deleted
tin nhắn này đã bị xoá
tin nhắn này đã bị xóa
to sporočilo je bilo izbrisano
táto správa bola odstránená
tämä viesti poistettiin
ujumbe huu ulifutwa
ushbu xabar o‘chirildi
ši žinutė buvo ištrinta
šī ziņa tika izdzēsta
αυτό το μήνυμα διαγράφηκε
бұл хат жойылды
данное сообщение удалено
ова порука је обрисана
оваа порака беше избришана
съобщението беше изтрито
це повідомлення було видалено
הודעה זו נמחקה
این پیام حذف شد
این پیام حذف شده است
تم حذف هذه الرسالة
یہ میسج حذف کر دیا گیا ہے۔
یہ پیغام حذف کیا گیا
यह मैसेज डिलीट कर दिया गया है
यह संदेश मिटाया गया
हा मेसेज हटवण्यात आला
हा संदेश हटविण्यात आला होता
এই বার্তাটি মুছে ফেলা হয়েছে
এই মেসেজটি বাদ দেওয়া হয়েছে
ਇਸ ਸੁਨੇਹੇ ਨੂੰ ਹਟਾਇਆ ਗਿਆ
આ મેસેજ ડિલીટ કરાયો
આ સંદેશ રદ્દ કરાયો
இத்தகவல் திரும்பப்பெறப்பட்டது
ಈ ಸಂದೇಶವು ಅಳಿಸಲ್ಪಟ್ಟಿದೆ
ഈ സന്ദേശം ഇല്ലാതാക്കിയതാണ്
ข้อความนี้ถูกลบแล้ว
ข้อความนี้ได้ถูกลบ
このメッセージは削除されました
信息已删除
此訊息已刪除
这条消息已被删除
이 메시지는 삭제되었습니다
""".splitlines())

# The same, as the one sees it who took it back.
DELETED_BY_ME: Final = tuple("""\
anda menghapus pesan ini
anda telah memadamkan mesej ini
anda telah menghapus pesan ini
apagou esta mensagem
ați șters acest mesaj
binura mo itong mensahe
bu mesajı sildiniz
bạn đã xoá tin nhắn này
bạn đã xóa tin nhắn này
du har slettet denne besked
du har tagit bort meddelandet
du hast diese nachricht gelöscht
du raderade det här meddelandet
du raderade detta meddelande
du slettede denne besked
du slettet denne meldingen
eliminaste este mensaje
esta mensagem foi apagada
ezt az üzenetet törölted
hai eliminato questo messaggio
has esborrat aquest missatge
has suprimit aquest missatge
izbrisali ste ovu poruku
jy het boodskap uitgevee
jūs izdzēsāt šo ziņu
jūs ištrynėte šią žinutę
kustutasid selle sõnumi
mensagem apagada
poistit tämän viestin
scrios tú an teachtaireacht seo
siz bu ismarıcı sildiniz
siz ushbu xabarni o‘chirdingiz
to sporočilo ste izbrisali
tuto zprávu jste odstranil/a
tuto zprávu jste smazal/a
törölted ezt az üzenetet
túto správu ste odstránili
u hebt dit bericht verwijderd
umefuta ujumbe huu
usunąłeś(-ęłaś) tę wiadomość
usunąłeś(aś) tę wiadomość
você apagou esta mensagem
vous avez supprimé ce message
you deleted this message
διαγράψατε αυτό το μήνυμα
διαγράψατε το μήνυμα
ви видалили це повідомлення
вы удалили данное сообщение
вы удалили это сообщение
изтрихте това съобщение
обрисао/ла си ову поруку
сіз бұл хатты жойдыңыз
ја избриша оваа порака
מחקת את ההודעה הזו
מחקת הודעה זו
آپ نے اس پیغام کو حذف کیا
آپ نے یہ میسج حذف کر دیا ہے
آپ نے یہ میسج حذف کر دیا ہے۔
أنت حذفت هذه الرسالة
شما این پیام را حذف کردید
لقد حذَفت هذه الرسالة
आपण हा संदेश हटविलात
आपने यह मैसेज डिलीट किया
आपने यह संदेश मिटाया
तुम्ही हा मेसेज हटवला
আপনি এই বার্তাটি মুছে ফেলেছেন
আপনি এই মেসেজটি বাদ দিয়েছেন
ਤੁਸੀਂ ਇਹ ਸੁਨੇਹਾ ਹਟਾਇਆ
તમે આ મેસેજ ડિલીટ કર્યો
તમે આ સંદેશને રદ્દ કર્યો
இத்தகவலை தாங்கள் அழித்தீர்கள்
ನೀವು ಈ ಸಂದೇಶವನ್ನು ಅಳಿಸಿದ್ದೀರಿ
ഈ സന്ദേശം നിങ്ങൾ ഇല്ലാതാക്കി
คุณลบข้อความนี้
คุณได้ลบข้อความนี้
このメッセージを削除しました
您删除这个信息
您已删除这条消息
您已刪除此訊息
삭제한 메시지입니다
이 메시지를 삭제했습니다
""".splitlines())

# Taken back by a group's admin.
DELETED_BY_ADMIN: Final = tuple("""\
acest mesaj a fost șters de un admin
anda menghapus pesan ini sebagai admin
anda telah memadamkan mesej ini sebagai pentadbir
apagou esta mensagem enquanto administrador/a
aquest missatge l'ha suprimit un administrador
ați șters acest mesaj, ca admin
bu mesaj bir yönetici tarafından silindi
bạn đã xóa tin nhắn này trong vai trò quản trị viên
ce message a été supprimé par un ou une admin
denne besked er blevet slettet af en administrator
denne meldingen ble slettet av en administrator
det här meddelandet togs bort av en administratör
diese nachricht wurde von einem*einer admin gelöscht
dit bericht is verwijderd door een beheerder
du har slettet denne besked som administrator
du hast diese nachricht als admin gelöscht
du raderade det här meddelandet i egenskap av administratör
du slettet denne meldingen som administrator
eliminaste este mensaje como admin
esta mensagem foi apagada por um/a administrador/a
ezt az üzenetet az egyik admin eltávolította
hai eliminato questo messaggio come amministratore
has suprimit aquest missatge com a administrador
izbrisali ste ovu poruku kao administrator
mensagem apagada por um admin
mensagem apagada por um admin (você)
mesej ini telah dipadamkan oleh pentadbir
ovu je poruku izbrisao administrator
pesan ini dihapus oleh admin
poistit tämän viestin ylläpitäjänä
questo messaggio è stato eliminato da un amministratore
quản trị viên đã xóa tin nhắn này
scrios riarthóir an teachtaireacht seo
scrios tú, mar an riarthóir, an teachtaireacht seo
this message was deleted by an admin
tuto zprávu jste odstranil/a jako správce
tuto zprávu smazal jeden ze správců skupiny
törölted ezt az üzenetet adminként
túto správu odstránil správca
túto správu ste odstránili ako správca
tę wiadomość usunął administrator
u hebt dit bericht als beheerder verwijderd
un admin. eliminó este mensaje
usunąłeś(-ęłaś) tę wiadomość jako administrator
vous avez supprimé ce message en tant qu'admin
ylläpitäjä poisti tämän viestin
you deleted this message as admin
yönetici olarak bu mesajı sildiniz
αυτό το μήνυμα διαγράφηκε από έναν διαχειριστή
διαγράψατε το μήνυμα ωσ διαχειριστήσ
адміністратор видалив це повідомлення
ви видалили це повідомлення від імені адміністратора
вы как админ удалили данное сообщение
данное сообщение удалено админом
ההודעה נמחקה על ידי מנהל/ת
מחקת את ההודעה הזו כמנהל/ת
آپ نے ایڈمن کے طور پر یہ میسج حذف کر دیا ہے
حذف أحد المشرفين هذه الرسالة
شما به‌عنوان مدیر، این پیام را حذف کردید
لقد حذفت هذه الرسالة بصفتك مشرفًا
یکی از مدیران این پیام را حذف کرد
یہ میسج ایک ایڈمن نے حذف کر دیا ہے۔
आपने एडमिन के तौर पर यह मैसेज डिलीट किया है
तुम्ही ॲडमिन म्हणून हा मेसेज हटवला आहे
यह मैसेज किसी एडमिन ने डिलीट कर दिया है
हा मेसेज ॲडमिनने हटवला
অ্যাডমিন এই মেসেজটি বাদ দিয়েছেন
আপনি অ্যাডমিন হিসেবে এই মেসেজটি বাদ দিয়েছেন
આ મેસેજ એડમિને ડિલીટ કર્યો હતો
એડમિન તરીકે તમે આ મેસેજ ડિલીટ કર્યો
ข้อความนี้ถูกลบโดยผู้ดูแล
คุณได้ลบข้อความนี้ในฐานะผู้ดูแล
このメッセージは管理者により削除されました
您以管理员的身份删除了这条消息
您已以管理員身分刪除此訊息
您已使用管理員身份刪除此訊息
管理员已删除这条消息
管理員已刪除此訊息
管理者としてこのメッセージを削除しました
관리자로서 이 메시지를 삭제했습니다
이 메시지는 관리자에 의해 삭제되었습니다
""".splitlines())

# Taken back by an admin who is named.
DELETED_BY_NAMED: Final = tuple("""\
acest mesaj a fost șters de admin, %
aquest missatge l'ha suprimit un administrador: %
bu mesaj % adlı yönetici tarafından silindi
ce message a été supprimé par l'admin %
denne besked er blevet slettet af administratoren %
denne meldingen ble slettet av administrator %
det här meddelandet togs bort av administratör %
diese nachricht wurde von admin % gelöscht
dit bericht is verwijderd door beheerder %
esta mensagem foi apagada por um/a administrador/a, %
ezt az üzenetet az egyik admin (%) eltávolította
mensagem apagada por um admin (%)
mesej ini telah dipadamkan oleh pentadbir %
ovu je poruku izbrisao administrator %
pesan ini dihapus oleh admin %
questo messaggio è stato eliminato dall'amministratore %
quản trị viên % đã xóa tin nhắn này
scrios % (riarthóir) an teachtaireacht seo
this message was deleted by admin %
tuto zprávu smazal jeden ze správců skupiny (%)
túto správu odstránil správca (%)
tę wiadomość usunął administrator %
un admin., %, eliminó este mensaje
ylläpitäjä, %, poisti tämän viestin
αυτό το μήνυμα διαγράφηκε από τον διαχειριστή %
данное сообщение удалено админом (%)
це повідомлення видалив адміністратор (%)
ההודעה נמחקה על ידי %, מנהל/ת הקבוצה
این پیام را مدیر (%) حذف کرد
حذف المشرف % هذه الرسالة
یہ میسج ایڈمن % نے حذف کر دیا ہے۔
यह मैसेज एडमिन % ने डिलीट कर दिया है
हा मेसेज % या ॲडमिनने हटवला
অ্যাডমিন % এই মেসেজটি বাদ দিয়েছেন
આ મેસેજ % એડમિને ડિલીટ કરી દીધો છે
ข้อความนี้ถูกลบโดยผู้ดูแล %
このメッセージは管理者(%)により削除されました
管理员 % 已删除这条消息
管理員 % 已刪除此訊息
管理員%已刪除此訊息
이 메시지는 관리자 %에 의해 삭제되었습니다
""".splitlines())

# Inside angle brackets at the end of a body: the message was edited.
EDITED: Final = tuple("""\
bu mesaj düzenlendi
ce message a été modifié
denne besked blev redigeret
diese nachricht wurde bearbeitet
dit bericht is bewerkt
esta mensagem foi editada
este mensaje fue editado
meddelandet har redigerats
mensagem editada
pesan ini diedit
questo messaggio è stato modificato
se editó este mensaje
ta wiadomość została edytowana
this message was edited
данное сообщение изменено
сообщение изменено
ההודעה נערכה
تم تعديل هذه الرسالة
このメッセージは編集されました
此消息已编辑
此訊息已編輯
이 메시지는 수정되었습니다
""".splitlines())

# Left out of the export: image.
IMAGE_OMITTED: Final = tuple("""\
afbeelding weggelaten
bild utesluten
bild weggelassen
bilde ikke inkludert
billede udeladt
ei kuvaa
gambar tidak disertakan
görüntü dahil edilmedi
image absente
image omitted
imagem não revelada
imagem ocultada
imagen omitida
imagine omisă
imatge omesa
imej tidak dimasukkan
immagine omessa
kép küldése sikertelen
obraz pominięty
obrázek vynechán
obrázok vynechaný
slika izostavljena
íomhá ligthe ar lár
đã bỏ qua hình ảnh
εικόνα παραλείφθηκε
зображення відсутнє
изображение отсутствует
התמונה הושמטה
تصویر حذف شد
تصویر نکال دی گئی ہے
لم يتم إدراج الصورة
इमेज वगळली
फ़ोटो हटाई गई
ইমেজ বাদ দেওয়া হয়েছে
છબી પડતી મૂકાઈ
ไม่มีรูปภาพ
圖像已省略
圖片已略去
照片已忽略
画像は含まれていません
이미지 생략됨
""".splitlines())

# Left out of the export: video.
VIDEO_OMITTED: Final = tuple("""\
clip video omis
físeán ligthe ar lár
video dahil edilmedi
video izostavljen
video omesso
video omitido
video omitted
video tidak dimasukkan
video tidak disertakan
video udeladt
video utelatt
video utesluten
video vynechané
video vynecháno
video weggelassen
video weggelaten
videota ei sisällytetä
videó kihagyva
vidéo absente
vídeo não revelado
vídeo omitido
vídeo omès
wideo pominięte
đã bỏ video
βίντεο παραλείφθηκε
видео отсутствует
відео відсутнє
סרטון הווידאו הושמט
لم يتم إدراج الفيديوهات
ویدیو حذف شد
ویڈیو نظرانداز
वीडियो छोड़ा गया
व्हिडीओ वगळला
ভিডিও বাদ দেওয়া হয়েছে
વિડિયો પડતી મુકાઈ
วิดีโอถูกลบ
ビデオは含まれていません
影片已略去
影片已省略
视频已忽略
비디오 생략됨
""".splitlines())

# Left out of the export: audio.
AUDIO_OMITTED: Final = tuple("""\
audio omesso
audio omis
audio omitido
audio omitted
audio pominięte
audio tidak dimasukkan
audio tidak disertakan
audio weggelassen
audio weggelaten
bỏ qua tệp âm thanh
comhad fuaime ar lár
ficheiro de áudio não revelado
fără audio
hang kihagyása
ljud utelslutet
lyd udeladt
lyd utelatt
ses dahil edilmedi
zvuk izostavljen
zvuk vynechaný
zvukový soubor vynechán
àudio omès
áudio ocultado
äänitiedostoa ei sisällytetä
ήχοσ παραλείφθηκε
аудиофайл отсутствует
аудіо відсутнє
קטע קול הושמט
آڈیو نظرانداز
صدا حذف شد
لم يتم إدراج المقاطع الصوتية
ऑडिओ वगळला
ऑडियो हटाई गयी
অডিও বাদ দেওয়া হয়েছে
ઓડિયો ફાઇલ શામેલ કરી નથી
ไม่มีไฟล์เสียง
音声は含まれていません
音訊已略去
音訊已省略
音频已忽略
오디오 생략됨
""".splitlines())

# Left out of the export: sticker.
STICKER_OMITTED: Final = tuple("""\
adhesiu omès
figurinha omitida
fágadh an greamán ar lár
klistermærke udeladt
klistremerke utelatt
matrica kihagyva
naljepnica izostavljena
nálepka vynechaná
nálepka vynechána
pelekat tidak disertakan
pominięto naklejkę
sticker non incluso
sticker não revelado
sticker omis
sticker omitido
sticker omitted
sticker utesluten
sticker weggelassen
sticker weggelaten
stiker tidak disertakan
tarraa ei sisällytetty
çıkartma dahil edilmedi
đã bỏ sticker
αυτοκόλλητο παραλήφθηκε
наклейку не додано
стикер не добавлен
סטיקר הושמט
استیکر حذف شد
اسٹیکر نظرانداز
تم حذف الملصقات
स्टिकर छोड़ा गया
स्टिकर वगळले
স্টিকার বাদ দেওয়া হয়েছে
સ્ટીકર પડતું મુકાયું
ไม่มีสติกเกอร์
スタンプは含まれていません
貼圖已忽略
貼圖已略去
贴图已省略
스티커 제외됨
""".splitlines())

# Left out of the export: gif.
GIF_OMITTED: Final = tuple("""\
gif dahil edilmedi
gif esclusa
gif fájl kihagyása
gif izostavljen
gif ligthe ar lár
gif não revelada
gif omis
gif omitido
gif omitted
gif omès
gif retiré
gif tidak dimasukkan
gif tidak disertakan
gif udeladt
gif utelatt
gif utesluten
gif vynechaný
gif vynechán
gif weggelassen
gif weggelaten
gif отсутствует
gif הושמט
gif حذف شد
gif نظرانداز
gif छोड़ा गया
gif वगळले
gif પડતી મૂકાઈ
gif 动态图已被忽略
gif 圖片已被省略
gif 已略去
gif 생략됨
gif-animaatio jätetty pois
gif-анімацію пропущено
gifは含まれていません
plik gif pominięty
đã bỏ qua ảnh gif
παράληψη gif
لم يتم إدراج صورة gif
জিআইএফ বাদ দেওয়া হয়েছে
ละเว้น gif
""".splitlines())

# Left out of the export: document.
DOCUMENT_OMITTED: Final = tuple("""\
belge dahil edilmedi
cáipéis ligthe ar lár
document manquant
document omis
document omitted
document omès
document weggelaten
documento não revelado
documento omesso
documento omitido
dokumen tidak dimasukkan
dokumen tidak disertakan
dokument izostavljen
dokument pominięty
dokument udeladt
dokument uteslutet
dokument vynechaný
dokument vynechán
dokument weggelassen
dokumenttia ei sisällytetä
dokumentum kihagyva
utelatt dokument
đã bỏ qua tài liệu
έγγραφο παραλείφθηκε
документ отсутствует
документ пропущено
מסמך הושמט
دستاویز نظرانداز
سند حذف شد
لم يتم إدراج المستند
डॉक्युमेंट वगळले
डॉक्यूमेंट छोड़ा गया
ডকুমেন্ট বাদ দেওয়া হয়েছে
ડોક્યુમેન્ટ સામેલ કર્યું નહિ
ละเว้นเอกสาร
ドキュメントは含まれていません
文件已忽略
文件已略去
文档已省略
문서 생략됨
""".splitlines())

# Left out of the export: contact.
CONTACT_OMITTED: Final = tuple("""\
bỏ qua thẻ liên lạc
carte de vizită contact omisă
cartão do contato omitido
contact card omitted
contacto não revelado
cárta teagmhála ar lár
fiche contact manquante
kad kenalan tidak dimasukkan
karta kontaktu vynechaná
kartu kontak tidak disertakan
kişi kartı dahil edilmedi
kontaktkarte ausgelassen
kontaktkort sløyfet
kontaktkort udeladt
kontaktkort uteslutet
névjegykártya kihagyva
pominięta wizytówka kontaktu
posjetnica izostavljena
scheda contatto omessa
targeta de contacte omesa
tarjeta de contacto omitida
visitekaartje weggelaten
vizitka vynechána
yhteystietokortti jätettiin pois
η κάρτα επαφήσ παραλήφθηκε
картка контакту відсутня
карточка контакта отсутствует
כרטיס איש קשר הושמט
برگ مخاطب حذف شد
رابطہ کارڈ نظر انداز
لم يتم إدراج بطاقة جهة اتصال
कॉन्टैक्ट कार्ड छोड़ा गया
संपर्क कार्ड वगळले
পরিচিতির কার্ড বাদ দেওয়া হয়েছে
સંપર્કનું કાર્ડ પડતું મૂકાયું
บัตรรายชื่อที่ละเว้น
联系人卡片已忽略
聯絡人卡片已略去
聯絡人卡片已省略
連絡先カードを省略
연락처 카드 생략됨
""".splitlines())

# Left out of the export: media of any type.
MEDIA_OMITTED: Final = tuple("""\
< média vynechána >
< پيوست نما/آهنگ حذف شد >
< ஊடகங்கள் நீக்கப்பட்டது >
<archivo omitido>
<arquivo de mídia oculto>
<bez multivides>
<bỏ qua media>
<conținut media omis>
<fayl o‘tkazib yuborildi>
<ficheiro não revelado>
<fichier omis>
<hiányzó médiafájl>
<media disingkirkan>
<media har utelämnats>
<media imerukwa>
<media jätetty pois>
<media omesso>
<media omitted>
<media tidak disertakan>
<media weggelaat>
<media weggelaten>
<media çıxarılmışdır>
<mediefil udeladt>
<medien weggelassen>
<medij izpuščen>
<medijski zapis izostavljen>
<medya atlanmış>
<meedia ära jäetud>
<mitjans omesos>
<multimedia omitido>
<médias omis>
<médiá vynechané>
<mídia oculta>
<mídia omitida>
<pa media>
<pliki pominięto>
<praleistas medijos turinys>
<uten vedlegg>
<walang kalakip na media>
<εξαίρεση πολυμέσων>
<без медиафайлов>
<без файл>
<без фајл>
<медији су изостављени>
<медіа пропущено>
<файл пропущен>
<файл қосылған жоқ>
<מדיה הושמטה>
<تم استبعاد الوسائط>
<میڈیا چھوڑ دیا گیا>
<मीडिया के बिना>
<मीडिया वगळले>
<মিডিয়া বাদ দেওয়া হয়েছে>
<ਮੀਡੀਆ ਛੱਡਿਆ ਗਿਆ>
<મીડિયા અવગણાયું>
<మాధ్యమం విస్మరించబడింది>
<ಮೀಡಿಯಾ ಕೈಬಿಡಲಾಗಿದೆ>
<മീഡിയ ഒഴിവാക്കി>
<สื่อถูกลบ>
<メディアは含まれていません>
<忽略多媒體檔>
<省略多媒体文件>
<미디어 파일을 생략한 대화내용>
""".splitlines())

# A file beside the text, named before or after the words (Android).
FILE_ATTACHED: Final = tuple("""\
% (file attached)
% (archivo adjuntado)
% (arquivo anexado)
% (arxiu adjunt)
% (bestand bijgevoegd)
% (bifogad fil)
% (byla prisegta)
% (datei angehängt)
% (datoteka u privitku)
% (dosya ekli)
% (fail dilampirkan)
% (fail lisatud)
% (faili limeambatanishwa)
% (fayl biriktirildi)
% (fayl əlavə olunub)
% (ficheiro anexado)
% (fichier joint)
% (fil vedhæftet)
% (file allegato)
% (file terlampir)
% (fișier atașat)
% (fájl csatolva)
% (liitetiedosto)
% (lêer aangeheg)
% (nakalakip na file)
% (pievienots fails)
% (priložena datoteka)
% (skedë e ngjitur)
% (soubor byl přiložen)
% (súbor pripojený)
% (tệp đính kèm)
% (vedlagt fil)
% (załączony plik)
% (συνημμένο αρχείο)
% (прикачен файл)
% (прикачен фајл)
% (прикачена датотека)
% (файл добавлен)
% (файл додано)
% (қосымша файл)
% (קובץ מצורף)
% (الملف مرفق)
% (پیوستہ فائل)
% (फाइल अटैच कर दी गई है)
% (फाइल संलग्न)
% (ফাইল সংযুক্ত হয়েছে)
% (ਅਟੈਚ ਕੀਤੀ ਫਾਇਲ)
% (ફાઇલ જોડાયેલ)
% (ఫైల్ జోడించబడినది)
% (ಕಡತ ಸೇರಿಸಲಾಯಿತು)
% (ഫയൽ ചേർത്തു)
% (ไฟล์ที่แนบ)
% (文件附件)
% (添付ファイル有り)
% (附件檔案)
% (파일 첨부됨)
% இணைக்கப்பட்டது
فایل پیوست شد %
""".splitlines())

# The same (iOS).
ATTACHED: Final = tuple("""\
% <attached>
< pièce jointe : % >
< 첨부됨: %>
<% eklendi>
<adjunt: %>
<adjunto: %>
<allegato: %>
<anexado: %>
<anexo: %>
<anhang: %>
<atașare: %>
<attached: %>
<bifogat: %>
<bijgevoegd: %>
<ceangailte: %>
<csatolva: %>
<dilampir: %>
<liite: %>
<priloženo: %>
<príloha: %>
<příloha: %>
<terlampir: %>
<vedhæftet: %>
<vedlagt: %>
<załączono: %>
<đính kèm: %>
<επισυνάφθηκε: %>
<додано: %>
<прикреплено: %>
<מצורף: %>
<المُرفق: %>
<پیوست: %>
<پیوستہ: %>
<अटैच किया गया: %>
<संलग्न केले: %>
<જોડાયેલ: %>
<แนบ: %>
<添付ファイル: %>
<附件：%>
""".splitlines())
